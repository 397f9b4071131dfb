# DeepLab-V2 with two heads as in ADVENT (CVPR 2019): caffe-style ResNet-101 at
# output stride 8, batch norm with frozen affine and live statistics.
# The ImageNet weights are a file of ADVENT's release; see docs/weights.md.
pretrained = 'pretrained/DeepLab_resnet_pretrained_imagenet.pth'
norm_cfg = dict(type='BN', requires_grad=False)
network = dict(
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        # BGR in [0, 255] minus the mean of caffe's ImageNet; no scaling
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
    ),
    segmentor=dict(
        type='UDAEncoderDecoder',
        backbone=dict(
            type='DeepLabResNet',
            depth=101,
            out_indices=(2, 3),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            style='caffe',
            contract_dilation=False,
            norm_cfg=norm_cfg,
            norm_eval=False,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained),
        ),
        decode_head=dict(
            type='DLV2Head',
            in_channels=2048,
            in_index=1,
            align_corners=True,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0
            ),
        ),
        auxiliary_head=dict(
            type='DLV2Head',
            in_channels=1024,
            in_index=0,
            align_corners=True,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.1
            ),
        ),
        # logits resized once, to the size of the label, as published
        test_cfg=dict(mode='whole', upsample_once=True),
    ),
)
