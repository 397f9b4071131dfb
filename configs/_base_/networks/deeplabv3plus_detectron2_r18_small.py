# deeplabv3plus_detectron2_r101.py on the first three stages of a ResNet-18 of
# half the usual width, trained from random weights: for the demo and other
# runs on a CPU. Output stride 16; dilations fit images of about 200 pixels.
_base_ = './deeplabv3plus_detectron2_r101.py'
norm_cfg = dict(type='BN', requires_grad=True)
network = dict(
    segmentor=dict(
        backbone=dict(
            depth=18,
            num_stages=3,
            stem_channels=32,
            base_channels=32,
            out_indices=(0, 2),
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            multi_grid=None,
            norm_cfg=norm_cfg,
            init_cfg=None,
        ),
        decode_head=dict(
            in_channels=128,
            channels=64,
            c1_in_channels=32,
            c1_channels=16,
            dilations=(1, 2, 4, 6),
            pool_size=None,
            norm_cfg=norm_cfg,
        ),
    )
)
