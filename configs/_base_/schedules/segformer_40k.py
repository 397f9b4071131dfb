# Optimisation of SegFormer as in DAFormer (CVPR 2022), of the discriminator as
# in ADVENT. No AdvEnt result of this network is published.
_base_ = './daformer.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
train_cfg = dict(val_interval=2000)
