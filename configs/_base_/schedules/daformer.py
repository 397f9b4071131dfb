# Optimisation of DAFormer, HRDA and MIC (CVPR 2022, ECCV 2022, CVPR 2023):
# AdamW 6e-5 with ten times that for the heads, linear warm-up over 1,500
# iterations from a millionth, linear decay over 40,000, all at once (released
# configurations). Meant for two images of each domain an iteration.
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    segmentor=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01
        ),
        paramwise_cfg=dict(
            custom_keys={
                'head': dict(lr_mult=10.0),
                # layer norms; batch norms, which are called bn, decay
                'norm': dict(decay_mult=0.0),
                # mmseg has no "norm" in the names of those after a MiT's
                # stages
                'backbone.layers.0.2': dict(decay_mult=0.0),
                'backbone.layers.1.2': dict(decay_mult=0.0),
                'backbone.layers.2.2': dict(decay_mult=0.0),
                'backbone.layers.3.2': dict(decay_mult=0.0),
            }
        ),
    ),
)
# Both divide by end - begin - 1: at iteration t the rate is 1 - t / 40000
# times, below 1,500, 1 - (1 - t / 1500) * (1 - 1e-6). A decay that begins at
# 1,500 instead would be 3.9 % too high in all iterations after it.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False
    ),
    dict(
        type='PolyLR',
        power=1.0,
        eta_min=0.0,
        begin=0,
        end=40001,
        by_epoch=False,
    ),
]
train_cfg = dict(type='UDATrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
