# DeepLab-V2 on VGG-16 with a single head (ADVENT's paper; no code or weights
# were published). ImageNet weights and input as of torchvision.
_base_ = './deeplabv2_r101.py'
network = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    segmentor=dict(
        backbone=dict(
            _delete_=True,
            type='DeepLabVGG',
            init_cfg=dict(
                type='Pretrained', checkpoint='pretrained/vgg16.pth'
            ),
        ),
        decode_head=dict(in_channels=1024, in_index=0),
        auxiliary_head=None,
    ),
)
