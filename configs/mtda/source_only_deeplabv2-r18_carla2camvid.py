# Lower bound: CARLA alone, evaluated on CamVid by day and at dusk; a small
# network from random weights, on a CPU. Roots: --data-root source=DIR day=DIR
# dusk=DIR
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/mtaf/carla2camvid.py',
    '../_base_/schedules/small_2000.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='SourceOnly',
    segmentor=dict(
        decode_head=dict(num_classes=10),
        auxiliary_head=dict(num_classes=10),
    ),
)
train_dataloader = dict(dataset=dict(targets=None))
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
default_hooks = dict(checkpoint=dict(interval=500))
