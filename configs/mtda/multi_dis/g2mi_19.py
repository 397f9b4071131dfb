# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Mapillary Vistas, IDD, nineteen classes.
# Not published, as far as we know.
_base_ = [
    '../../_base_/models/multi_dis_r101.py',
    '../../_base_/datasets/mtaf/g2mi_19.py',
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
