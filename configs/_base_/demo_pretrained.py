# The length of trainings of configs/demo on the pretrained network of
# aspp_efficientnet-lite0.py. Variables, as in demo.py.
pretrained_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=20,
        end=301,
        by_epoch=False,
    ),
]
pretrained_train_cfg = dict(max_iters=300, val_interval=300)
pretrained_hooks = dict(checkpoint=dict(interval=100))
