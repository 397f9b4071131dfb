# The warm-up of CoaST and MLCL, CARLA -> CamVid by day and at dusk: a small
# network from random weights, 400 iterations on the source alone, 600 of
# adaptation. Roots: --data-root source=DIR day=DIR dusk=DIR
_base_ = [
    '../_base_/models/warm_up_r101.py',
    '../_base_/models/aspp_r18_small.py',
    '../_base_/datasets/coast/carla2camvid.py',
    '../_base_/schedules/small_1000_warm_up.py',
    '../_base_/default_runtime.py',
]
model = dict(
    warmup_iters=400,
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        backbone=_base_.small.backbone,
        decode_head=dict(
            num_classes=_base_.num_classes, **_base_.small.decode_head
        ),
    ),
    discriminator=dict(in_channels=10, base_channels=16),
)
train_dataloader = dict(
    dataset=dict(
        targets={
            name: dict(pipeline=_base_.warm_up_pipeline)
            for name in _base_.targets
        }
    )
)
default_hooks = dict(checkpoint=dict(interval=500))
