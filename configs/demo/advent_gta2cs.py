# For the demo: the data classes and layouts of configs/advent, a small network
# from random weights, small images and a short schedule with a warm-up.
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/gta2cs_demo.py',
    '../_base_/schedules/demo_adversarial.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    warmup_iters=300,
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=19,
        base_channels=16,
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
default_hooks = dict(checkpoint=dict(interval=300))
