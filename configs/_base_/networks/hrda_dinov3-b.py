# As hrda_dinov2-b.py with DINOv3's ViT-B, whose patches have 16 pixels.
_base_ = './hrda_dinov2-b.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            version=3,
            input_scale=1.0,
            init_cfg=dict(
                checkpoint='pretrained/'
                'dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth'
            ),
        ),
    ),
)
