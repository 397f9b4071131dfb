# HRDA (ECCV 2022) around DeepLab-V2; as hrda_mit-b5.py. Offsets of crops are
# multiples of 16, its output stride by the scale of the context (published: 8,
# which is off the grid of the context).
_base_ = './deeplabv2_v1c_r101.py'
network = dict(
    segmentor=dict(
        type='HRDAEncoderDecoder',
        context_scale=0.5,
        detail_crop_size=(512, 512),
        # output stride 8 / context_scale
        crop_multiple=16,
        detail_loss_weight=0.1,
        attention_head=dict(
            type='DLV2Head',
            in_channels=2048,
            in_index=0,
            dilations=(6, 12),
            align_corners=False,
            init_cfg=dict(
                type='Normal', std=0.01, override=dict(name='convs')
            ),
        ),
        test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
    )
)
