# Stage 1 of CoaST (WACV 2023) with the published weights.
method = dict(
    type='CoaST',
    targets=None,  # of the setting
    segmentor=dict(
        # a style: statistics after each block of these
        style_layers=['layer1', 'layer2'],
        # two fifths more time; else memory grows with the targets
        recompute_features=True,
    ),
    gamma=1.0,
    style_weight=1.0,
    # no threshold on pseudo-labels
    confidence=-1.0,
    # False: style memories as in the published code, see README.md
    freeze_style=True,
)
