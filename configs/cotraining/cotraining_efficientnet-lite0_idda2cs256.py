# Co-training on a small network with weights of ImageNet, IDDA -> Cityscapes
# at 256x256, 16 classes, for a CPU: three cycles and two cycles of 250
# iterations, after 1,000 on the source. Roots: --data-root source=DIR
# target=DIR
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_efficientnet-lite0.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining_idda2cs256.py',
    '../_base_/schedules/small_1000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256'
cotraining = dict(
    baseline='cotraining_baseline_efficientnet-lite0_idda2cs256.py',
    final='cotraining_final_efficientnet-lite0_idda2cs256.py',
    # confidences change from cycle to cycle with so little training
    final_thresholds='anew',
    self_training=dict(
        cycles=3,
        sample=400,
        keep=160,
        portion=0.5,
        portion_step=0.05,
        portion_limit=0.7,
        relabel=1,
    ),
    collaboration=dict(
        cycles=2,
        sample=400,
        keep=160,
        relabel=1,
        # of 256x256; the published 5,000 are of 2048x1024
        min_pixels=150,
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=25,
        end=251,
        by_epoch=False,
    ),
]
train_cfg = dict(max_iters=250, val_interval=250)
default_hooks = dict(checkpoint=dict(interval=500))
