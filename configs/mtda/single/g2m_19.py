# AdvEnt on one target, for comparison with several: GTA5 -> Mapillary Vistas,
# nineteen classes, data and schedule of MTAF (ICCV 2021).
_base_ = [
    '../../_base_/models/advent_r101.py',
    '../../_base_/datasets/mtaf/g2m_19.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    segmentor=dict(
        decode_head=dict(num_classes=_base_.num_classes),
        auxiliary_head=dict(num_classes=_base_.num_classes),
    ),
    discriminator=dict(in_channels=_base_.num_classes),
)
