# As small_2000_pretrained.py, and Adam for the discriminators.
_base_ = './small_2000_pretrained.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
