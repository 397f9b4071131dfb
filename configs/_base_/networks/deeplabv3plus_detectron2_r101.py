# DeepLabV3+ as in Co-Training (Sensors 2023), which is that of detectron2: a
# ResNet-101 whose stem has three convolutions, output stride 16, a head
# without separable convolutions, and the cross entropy of the hardest fifth
# of the pixels. tools/model_converters/detectron2.py makes the ImageNet
# weights out of the model zoo's R-103.pkl (--backbone) and converts published
# files, of which it leaves the output for void out.
pretrained = 'pretrained/detectron2_R-103.pth'
# On one GPU plain batch norm as published; on several that of the whole batch.
norm_cfg = dict(type='SyncBN', requires_grad=True)
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
            stem_channels=128,
            out_indices=(0, 3),
            strides=(1, 2, 2, 1),
            dilations=(1, 1, 1, 2),
            # mmseg takes the blocks' dilations: 2 times the grid 1, 2, 4
            multi_grid=(2, 4, 8),
            norm_cfg=norm_cfg,
            norm_eval=False,
            style='pytorch',
            init_cfg=dict(type='Pretrained', checkpoint=pretrained),
        ),
        decode_head=dict(
            type='DeepLabV3PlusHead',
            in_channels=2048,
            in_index=1,
            channels=256,
            c1_in_channels=256,
            c1_channels=48,
            dilations=(1, 6, 12, 18),
            # training crops of 512x1024 at stride 16
            pool_size=(32, 64),
            # 0.5 in self-training from GTA5 and from GTA5 + Synscapes
            dropout_ratio=0.1,
            norm_cfg=norm_cfg,
            align_corners=False,
            loss_decode=dict(type='HardPixelCrossEntropyLoss', portion=0.2),
        ),
        test_cfg=dict(mode='whole'),
    ),
)
