# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Cityscapes, IDD, seven classes.
# Published, as recalled: 68.9 and 65.7 mIoU (Cityscapes, IDD).
_base_ = [
    '../../_base_/models/multi_dis_r101.py',
    '../../_base_/datasets/mtaf/g2ci.py',
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
