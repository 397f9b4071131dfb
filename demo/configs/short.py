# What make demo trains from the weights of source only: half as long as the
# configs of configs/demo. Variables, as in configs/_base_/demo.py.
short_start = (
    'work_dirs/demo/demo_source_only_efficientnet-lite0_gta2cs/iter_300.pth'
)
short_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=20,
        end=151,
        by_epoch=False,
    ),
]
short_train_cfg = dict(max_iters=150, val_interval=150)
short_hooks = dict(checkpoint=dict(interval=50))
