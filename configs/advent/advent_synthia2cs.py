# AdvEnt, SYNTHIA -> Cityscapes, 16 classes. Published: 40.8 mIoU on 16 and
# 47.6 on 13 classes (ADVENT, table 1b). Weights as for GTA5: the authors
# changed the number of iterations only.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/synthia2cs.py',
    '../_base_/schedules/advent_adversarial_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    segmentor=dict(
        decode_head=dict(num_classes=16), auxiliary_head=dict(num_classes=16)
    ),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=16,
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
