# CCL (CVPR 2021): a network for each target and one for the student. Of the
# paper the abstract is known to us. The weights of the adversarial loss are
# AdvEnt's. Those below are ours, untuned:
_base_ = './advent.py'
method = dict(
    type='CCL',
    targets=None,  # of the setting
    # below the source's 1, as experts are unsure of each other's images
    consistency_weights=dict(decode=0.1, aux=0.01),
    # as the source's in the experts: the student has no other loss
    distillation_weights=dict(decode=1.0, aux=0.1),
    # as the weight decay, with half the squared distance
    regularization_weight=5e-4,
    regularization_norm=2,
)
