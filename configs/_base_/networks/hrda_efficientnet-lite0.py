# HRDA (ECCV 2022) around aspp_efficientnet-lite0.py, for crops of 448x256: the
# whole crop at half the size, a quarter of it at full size. Whole images are
# tested, in overlapping crops of that size.
_base_ = './aspp_efficientnet-lite0.py'
network = dict(
    segmentor=dict(
        type='HRDAEncoderDecoder',
        context_scale=0.5,
        detail_crop_size=(128, 224),
        # output stride 16 / context_scale
        crop_multiple=32,
        detail_loss_weight=0.1,
        attention_head=dict(
            type='DAFormerHead',
            in_channels=[40, 320],
            in_index=[0, 1],
            channels=64,
            fusion='conv1',
            dropout_ratio=0.1,
            norm_cfg=dict(type='GN', num_groups=16),
            align_corners=False,
        ),
    )
)
