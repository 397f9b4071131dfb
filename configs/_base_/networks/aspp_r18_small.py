# As deeplabv2_r18_small.py, a half-width ResNet-18 of three stages from random
# weights, with a small head of aspp_r101.py.
_base_ = './aspp_r101.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            depth=18,
            num_stages=3,
            base_channels=32,
            strides=(1, 2, 1),
            dilations=(1, 1, 2),
            out_indices=(2,),
            # no published weights to keep: train batch norm in each stage
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=False,
            init_cfg=None,
        ),
        decode_head=dict(in_channels=128, channels=64),
    )
)
