# The warm-up of CoaST and MLCL: each target's head and discriminator as in
# AdvEnt. Batch norm of the published network is frozen, which leaves say.
target_images = 'weak'  # pipeline of the setting's protocol
method = dict(
    type='MultiHeadAdvEnt',
    targets=None,  # of the setting
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode'],
        level_type='CoaSTDiscriminator',
    ),
    adversarial_weights=dict(decode=1e-3),
)
