# The network of VFM-UDA (CVPRW 2024): DINOv2's ViT-B, trained as a whole,
# under a light head. Images are shown to it 1.1 times as large, and evaluated
# in windows of the size of a crop.
pretrained = (
    'https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/'
    'dinov2_vitb14_pretrain.pth'
)
network = dict(
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    segmentor=dict(
        type='UDAEncoderDecoder',
        backbone=dict(
            type='DINOVisionTransformer',
            arch='base',
            version=2,
            input_scale=1.1,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained),
        ),
        decode_head=dict(
            type='VFMHead',
            in_channels=768,
            in_index=0,
            align_corners=False,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0
            ),
        ),
        test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
    ),
)
