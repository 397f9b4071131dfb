# The network of CoaST (WACV 2023) and MLCL (TCSVT 2024), which is ProDA's
# (CVPR 2021): ResNet-101 at output stride 8 with a head for each target and
# an agnostic one. 640x320 gives 81x41. As in the published code the stride is
# on the first convolution of a block (caffe), though torchvision trained the
# ImageNet weights with it on the second.
# They are https://download.pytorch.org/models/resnet101-5d3b4d8f.pth
pretrained = 'pretrained/resnet101-5d3b4d8f.pth'
network = dict(
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        # RGB in [0, 1], neither mean nor deviation
        mean=[0.0, 0.0, 0.0],
        std=[255.0, 255.0, 255.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    segmentor=dict(
        type='MultiHeadEncoderDecoder',
        targets=None,  # of the setting
        backbone=dict(
            type='DeepLabResNet',
            depth=101,
            out_indices=(3,),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            style='caffe',
            contract_dilation=False,
            # learns, but for the warm-up
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=False,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained),
        ),
        decode_head=dict(
            type='ASPPSEHead',
            in_channels=2048,
            in_index=0,
            channels=256,
            dropout_ratio=0.1,
            align_corners=True,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0
            ),
        ),
        # logits resized once, to the size of the label, as published
        test_cfg=dict(mode='whole', upsample_once=True),
    ),
)
