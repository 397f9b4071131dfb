# Stage 1 of MLCL (TCSVT 2024). Leaves set the weight of the ensemble's loss,
# which differs between the published runs. The floor of the entropy is the
# released constant; the runs do not state theirs, and an earlier release has
# 0.2.
method = dict(
    type='MLCL',
    targets=None,  # of the setting
    segmentor=dict(
        ensemble=True,
        # two fifths more time; else memory grows with the targets
        recompute_features=True,
    ),
    gamma=1.0,
    collaborative_weight=1.0,
    entropy_quantile=0.5,
    entropy_floor=0.25,
    # 'own_first': order of the published code, see README.md
    ensemble_slots='fixed',
)
