# As advent.py, and Adam 1e-4 with betas (0.9, 0.99) for the discriminators
# (released configuration of ADVENT). The same schedule applies to both.
_base_ = './advent.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
