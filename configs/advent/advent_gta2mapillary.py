# AdvEnt, GTA5 -> Mapillary Vistas v1.2, seven classes: the start of ESL's
# setting. Weights as for Cityscapes.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/gta2mapillary.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    segmentor=dict(
        decode_head=dict(num_classes=7), auxiliary_head=dict(num_classes=7)
    ),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=7,
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
