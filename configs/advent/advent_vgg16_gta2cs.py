# AdvEnt on VGG-16 with one head. Published: 36.1 mIoU (ADVENT, table 1a).
_base_ = [
    '../_base_/models/deeplabv2_vgg16.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    discriminator=dict(
        type='MultiLevelDiscriminator', levels=['decode'], in_channels=19
    ),
    adversarial_weights=dict(decode=1e-3),
)
