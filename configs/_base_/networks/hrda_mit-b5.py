# HRDA (ECCV 2022) around the network of DAFormer: the whole crop at half the
# size, a part of it at full size, and an attention that fuses both. Images are
# tested in windows of the size of a crop. Takes 22 GB at 2 + 2 images of
# 1024x1024 as published; recompute=True halves that for one more forward pass.
_base_ = './daformer_mit-b5.py'
network = dict(
    segmentor=dict(
        type='HRDAEncoderDecoder',
        context_scale=0.5,
        detail_crop_size=(512, 512),
        # output stride 4 / context_scale
        crop_multiple=8,
        detail_loss_weight=0.1,
        attention_head=dict(
            type='DAFormerHead',
            in_channels=[64, 128, 320, 512],
            channels=256,
            fusion='conv1',
            dropout_ratio=0.1,
            norm_cfg=dict(type='SyncBN', requires_grad=True),
            align_corners=False,
        ),
        test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
    )
)
