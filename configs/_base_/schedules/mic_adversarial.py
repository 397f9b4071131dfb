# As mic_sgd.py, and Adam 1e-4 for the discriminator (released configuration of
# MIC on adversarial training, where its rate has no warm-up and decays by a
# power of 0.9). The same schedule applies to both.
_base_ = './mic_sgd.py'
optim_wrapper = dict(
    discriminator=dict(
        type='OptimWrapper',
        optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)),
    )
)
