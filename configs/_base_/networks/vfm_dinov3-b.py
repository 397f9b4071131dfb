# As vfm_dinov2-b.py with DINOv3's ViT-B, whose patches of 16 pixels fit crops
# as they are. Its weights are downloaded by hand, after their licence was
# accepted.
_base_ = './vfm_dinov2-b.py'
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
