# Multi-Dis (MTAF, ICCV 2021), IDD -> Cityscapes, Mapillary Vistas, seven
# classes. Not published, as far as we know.
_base_ = [
    '../../_base_/models/multi_dis_r101.py',
    '../../_base_/datasets/mtaf/i2cm.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        decode_head=dict(num_classes=_base_.num_classes),
        auxiliary_head=dict(num_classes=_base_.num_classes),
    ),
    discriminator=dict(in_channels=_base_.num_classes),
)
