# AdvEnt (CVPR 2019) on DeepLab-V2, which MTAF (ICCV 2021) builds upon. Weights
# of the paper at one image of each domain; the released configurations of
# MTAF have four of each and all weights times four. Leaves set the number of
# classes.
_base_ = './deeplabv2_r101.py'
model = dict(
    type='AdvEnt',
    discriminator=dict(
        type='MultiLevelDiscriminator', levels=['decode', 'aux']
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
