# VGG-16 under the head of aspp_r101.py, images as there. The published network
# has no pooling after stages 4 and 5 and a second 3x3 convolution in the place
# of the 1x1 one; weights are torchvision's.
_base_ = './aspp_r101.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            _delete_=True,
            type='DeepLabVGG',
            dropout_ratio=0.0,
            init_cfg=dict(
                type='Pretrained', checkpoint='pretrained/vgg16.pth'
            ),
        ),
        decode_head=dict(in_channels=1024),
    )
)
