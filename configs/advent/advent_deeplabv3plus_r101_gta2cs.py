# AdvEnt on DeepLabV3+ (ResNet-101), GTA5 -> Cityscapes, two levels. No
# published result; weights and schedule are those of ADVENT.
_base_ = [
    '../_base_/models/deeplabv3plus_r101.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=19,
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
