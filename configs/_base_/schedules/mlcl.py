# Optimisation of MLCL's stage 1: as coast.py, with the rate 2.5e-4 and the
# released weight decay of 1e-4; an earlier release has 2e-4. The ensemble head
# is new as well, but has the rate of the backbone as in the published code.
_base_ = './coast.py'
optim_wrapper = dict(
    segmentor=dict(optimizer=dict(lr=2.5e-4, weight_decay=1e-4))
)
