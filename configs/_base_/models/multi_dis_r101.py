# Multi-Dis (MTAF, ICCV 2021) on DeepLab-V2, seven classes. Weights of the
# paper at one image of each domain; the released configuration has four of
# each and all weights times four.
_base_ = './deeplabv2_r101.py'
model = dict(
    type='MultiDis',
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
