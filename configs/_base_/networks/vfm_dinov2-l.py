# As vfm_dinov2-b.py with ViT-L, whose blocks are computed again in backward
# instead of being kept.
_base_ = './vfm_dinov2-b.py'
pretrained = (
    'https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/'
    'dinov2_vitl14_pretrain.pth'
)
network = dict(
    segmentor=dict(
        backbone=dict(
            arch='large',
            recompute=True,
            init_cfg=dict(checkpoint=pretrained),
        ),
        decode_head=dict(in_channels=1024),
    ),
)
