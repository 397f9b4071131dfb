# The two-head DeepLab-V2 with a ResNet-18 of half the usual width, trained
# from random weights: for the demo and other runs on a CPU.
_base_ = './deeplabv2_r101.py'
model = dict(
    segmentor=dict(
        backbone=dict(
            depth=18,
            base_channels=32,
            norm_cfg=dict(type='BN', requires_grad=True),
            init_cfg=None,
        ),
        decode_head=dict(in_channels=256),
        auxiliary_head=dict(in_channels=128),
    ),
)
