# AdvEnt, GTA5 -> Cityscapes, 19 classes, DeepLab-V2 ResNet-101.
# Published: 43.8 mIoU (ADVENT, table 1a; 43.3 to 44.1 over the authors' runs).
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
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
    # weights of the released configuration
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
