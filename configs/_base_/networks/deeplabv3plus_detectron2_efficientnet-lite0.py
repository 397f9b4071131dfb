# The head of Co-Training (deeplabv3plus_detectron2_r101.py), of small width
# and with group norms, on the backbone of aspp_efficientnet-lite0.py.
# Dilations fit images of about 300 pixels.
_base_ = './aspp_efficientnet-lite0.py'
network = dict(
    segmentor=dict(
        backbone=dict(out_indices=(1, 6)),
        decode_head=dict(
            _delete_=True,
            type='DeepLabV3PlusHead',
            in_channels=320,
            in_index=1,
            channels=64,
            c1_in_channels=24,
            c1_channels=16,
            dilations=(1, 2, 4, 6),
            dropout_ratio=0.1,
            norm_cfg=dict(type='GN', num_groups=16),
            align_corners=False,
            # all: the hardest fifth by class weights loses the road
            loss_decode=dict(type='HardPixelCrossEntropyLoss', portion=1.0),
        ),
    )
)
