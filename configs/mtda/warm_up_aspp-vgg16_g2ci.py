# The warm-up of CoaST and MLCL, GTA5 -> Cityscapes, IDD, seven classes, on
# VGG-16.
_base_ = [
    '../_base_/models/warm_up_r101.py',
    '../_base_/models/aspp_other_backbones.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'g2ci'
model = dict(
    segmentor=dict(
        backbone=dict(_delete_=True, **_base_.vgg16.backbone),
        decode_head=_base_.vgg16.decode_head,
    ),
)
