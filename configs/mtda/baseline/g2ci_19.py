# AdvEnt on the merged targets, the baseline of MTAF (ICCV 2021): GTA5 ->
# Cityscapes, IDD, nineteen classes. One discriminator tells the source from
# all targets. Not published, as far as we know.
_base_ = [
    '../../_base_/models/advent_r101.py',
    '../../_base_/datasets/mtaf/g2ci_19.py',
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
