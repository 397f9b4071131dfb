# The sizes of the demo: a configuration of configs/demo is its real one with
# these in place of the published values. They are variables, as two base files
# may not set the same key.

# The two-head DeepLab-V2 on the first three stages of a ResNet-18 of half the
# usual width, from random weights. The last stage would take two thirds of the
# time.
demo_segmentor = dict(
    backbone=dict(
        depth=18,
        num_stages=3,
        base_channels=32,
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        out_indices=(1, 2),
        # no published weights to keep: train the affine part as well
        norm_cfg=dict(type='BN', requires_grad=True),
        init_cfg=None,
    ),
    decode_head=dict(in_channels=128),
    auxiliary_head=dict(in_channels=64),
)
# AdvEnt and MinEnt begin on the source alone
demo_warmup_iters = 200

_demo_resize = dict(
    type='Resize',
    keep_ratio=False,
    interpolation='bicubic',
    backend='pillow',
)
demo_source = dict(
    data_root='data/demo/GTA5',
    pipeline=[
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        dict(scale=(256, 144), **_demo_resize),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackDomainInputs'),
    ],
)
_demo_target = [dict(type='LoadImage'), dict(scale=(256, 128), **_demo_resize)]
_demo_augment = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDomainInputs'),
]
demo_target = dict(
    data_root='data/demo/Cityscapes', pipeline=[*_demo_target, *_demo_augment]
)
demo_labelled_target = dict(
    data_root='data/demo/Cityscapes',
    pipeline=[*_demo_target, dict(type='LoadPseudoLabels'), *_demo_augment],
)
demo_pseudo_labels = dict(
    pipeline=[*_demo_target, dict(type='PackDomainInputs')],
    batch_size=4,
    num_workers=0,
)
# loading takes a tenth of the time; both cores compute
demo_workers = dict(num_workers=0, persistent_workers=False)
demo_loader = dict(batch_size=2, pin_memory=False, **demo_workers)
demo_val_dataloader = dict(
    dataset=dict(
        data_root='data/demo/Cityscapes',
        pipeline=[
            dict(type='LoadImage'),
            dict(scale=(256, 128), **_demo_resize),
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ],
    ),
    **demo_workers,
)
demo_evaluator = [
    dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix='cityscapes'),
    dict(type='EntropyMetric', prefix='cityscapes'),
]

# SGD 0.02 for the whole network, polynomial decay over 400 iterations
demo_sgd = dict(optimizer=dict(lr=0.02), paramwise_cfg=dict(_delete_=True))
demo_param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=50,
        end=401,
        by_epoch=False,
    ),
]
demo_train_cfg = dict(max_iters=400, val_interval=200)
demo_hooks = dict(checkpoint=dict(interval=200))
