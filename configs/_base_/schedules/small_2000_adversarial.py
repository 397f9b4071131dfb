# As small_2000.py, and Adam for the discriminators.
_base_ = './small_2000.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
