# As small_500_pretrained.py, and Adam for the discriminators. The agnostic
# head learns nothing yet: each target is predicted by its own.
_base_ = './small_500_pretrained.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
val_cfg = dict(own_heads=True)
test_cfg = dict(own_heads=True)
