# As gta2cs.py with the learning rates that the released code applied in
# effect; see the schedule. Use it to reproduce the published 43.8 mIoU.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent_published_rate.py',
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
