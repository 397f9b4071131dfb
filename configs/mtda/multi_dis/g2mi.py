# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Mapillary Vistas, IDD, seven classes.
# Not published. Weights of the paper at one image of each domain; the released
# configuration has four of each and all weights times four.
_base_ = [
    '../../_base_/models/deeplabv2_r101.py',
    '../../_base_/datasets/g2mi.py',
    '../../_base_/schedules/advent_adversarial.py',
    '../../_base_/default_runtime.py',
]
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
model = dict(
    type='MultiDis',
    targets=_base_.targets,
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
