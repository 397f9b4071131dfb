# The two-head DeepLab-V2 on the first three stages of a ResNet-18 of half the
# usual width, trained from random weights: for the demo and other runs on a
# CPU. The last stage would take two thirds of the time.
_base_ = './deeplabv2_r101.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            depth=18,
            num_stages=3,
            base_channels=32,
            strides=(1, 2, 1),
            dilations=(1, 1, 2),
            out_indices=(1, 2),
            # no published weights to keep: train the affine part as well
            norm_cfg=dict(type='BN', requires_grad=True),
            init_cfg=None,
        ),
        decode_head=dict(in_channels=128),
        auxiliary_head=dict(in_channels=64),
    )
)
