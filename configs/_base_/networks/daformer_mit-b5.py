# The network of DAFormer (CVPR 2022): MiT-B5 under a head that fuses all its
# levels with context. Images are RGB; losses are means over all pixels, also
# over those without a label.
pretrained = (
    # OpenMMLab's conversion of SegFormer's ImageNet weights;
    # tools/model_converters/daformer.py converts the original mit_b5.pth
    'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
    'mit_b5_20220624-658746d9.pth'
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
            # not mmseg's MixVisionTransformer, whose norms have another
            # epsilon than those that the weights were trained with
            type='MiT',
            in_channels=3,
            embed_dims=64,
            num_stages=4,
            num_layers=[3, 6, 40, 3],
            num_heads=[1, 2, 5, 8],
            patch_sizes=[7, 3, 3, 3],
            sr_ratios=[8, 4, 2, 1],
            out_indices=(0, 1, 2, 3),
            mlp_ratio=4,
            qkv_bias=True,
            drop_rate=0.0,
            attn_drop_rate=0.0,
            drop_path_rate=0.1,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained),
        ),
        decode_head=dict(
            type='DAFormerHead',
            in_channels=[64, 128, 320, 512],
            channels=256,
            dropout_ratio=0.1,
            # on one GPU plain batch norm as published
            norm_cfg=dict(type='SyncBN', requires_grad=True),
            align_corners=False,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=False, loss_weight=1.0
            ),
        ),
        test_cfg=dict(mode='whole'),
    ),
)
