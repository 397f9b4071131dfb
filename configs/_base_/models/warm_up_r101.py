# The warm-up of CoaST and MLCL: each target's head and discriminator as in
# AdvEnt, batch norm frozen.
_base_ = './aspp_r101.py'
target_images = 'weak'  # weak_pipeline of the setting's protocol
model = dict(
    type='MultiHeadAdvEnt',
    targets=None,  # of the setting
    segmentor=dict(
        backbone=dict(
            norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True
        )
    ),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode'],
        level_type='CoaSTDiscriminator',
    ),
    adversarial_weights=dict(decode=1e-3),
)
