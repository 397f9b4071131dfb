# Optimisation of VFM-UDA (CVPRW 2024): AdamW 5e-5 times the root of the number
# of images of a domain an iteration, here 8 (four processes with two each), a
# tenth of it for the backbone, weight decay 0.01 for all; linear warm-up over
# 1,500 iterations from a thousandth, then on the line that falls from 1 to 0
# over 40,000 (released configuration).
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='AdamW',
            lr=5e-5 * 8**0.5,
            betas=(0.9, 0.999),
            weight_decay=0.01,
        ),
        paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}),
    ),
)
# The line is not followed during the warm-up, so that the rate falls by a
# factor of 1 - 1,500 / 40,000 at its end, and only then has no warm-up.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, begin=0, end=1500, by_epoch=False
    ),
    dict(
        type='ConstantLR',
        factor=1 - 1500 / 40000,
        begin=1500,
        end=10**9,
        by_epoch=False,
    ),
    dict(
        type='PolyLR',
        power=1.0,
        eta_min=0.0,
        begin=1500,
        end=40001,
        by_epoch=False,
    ),
]
train_cfg = dict(type='UDATrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
