# DeepLab-V2 as DAFormer (CVPR 2022), HRDA and MIC compare themselves on it:
# ResNet-101 with a stem of three convolutions at output stride 8, batch norm
# that learns, and the two branches of dilation 6 and 12 alone, which other
# published heads in fact have, too. Images and losses as in
# daformer_mit-b5.py.
norm_cfg = dict(type='SyncBN', requires_grad=True)
# Biases start from 0, unlike those of ADVENT's heads.
normal = dict(type='Normal', std=0.01, override=dict(name='convs'))
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
            type='ResNetV1c',
            depth=101,
            out_indices=(3,),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            contract_dilation=True,
            style='pytorch',
            norm_cfg=norm_cfg,
            norm_eval=False,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/pretrain/'
                'third_party/resnet101_v1c-e67eebb6.pth',
            ),
        ),
        decode_head=dict(
            type='DLV2Head',
            in_channels=2048,
            in_index=0,
            dilations=(6, 12),
            align_corners=False,
            init_cfg=normal,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=False, loss_weight=1.0
            ),
        ),
        test_cfg=dict(mode='whole'),
    ),
)
