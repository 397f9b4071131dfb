# AdvEnt (ADVENT, CVPR 2019). Weights of its released configuration, which are
# those of the paper, at one image of each domain; the released configurations
# of MTAF (ICCV 2021) have four of each and all weights times four. A network
# with one head takes that of `decode`.
method = dict(
    type='AdvEnt',
    discriminator=dict(type='MultiLevelDiscriminator'),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
