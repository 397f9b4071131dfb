# Co-training (Sensors 2023), CARLA -> CamVid (day), ten classes, for a CPU:
# three cycles and two cycles of 500 iterations, after 2,000 on the source.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r18_small.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining_carla2camvid.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid_day'
cotraining = dict(
    baseline='cotraining_baseline_carla2camvid.py',
    final='cotraining_final_carla2camvid.py',
    # confidences change from cycle to cycle with so little training
    final_thresholds='anew',
    self_training=dict(
        cycles=3,
        sample=200,
        keep=80,
        portion=0.5,
        portion_step=0.05,
        portion_limit=0.7,
        relabel=1,
    ),
    collaboration=dict(
        cycles=2,
        sample=200,
        keep=80,
        relabel=1,
        # of 400x300; the published 5,000 are of 2048x1024
        min_pixels=300,
    ),
)
param_scheduler = _base_.cycle_schedule
train_cfg = dict(max_iters=500, val_interval=500)
