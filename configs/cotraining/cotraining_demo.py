# Co-training for the demo data: the procedure of cotraining_gta2cs.py on small
# images, with a small network, two cycles and two cycles of 40 iterations.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r18_small.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining_demo.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
cotraining = dict(
    baseline='cotraining_baseline_demo.py',
    final='cotraining_final_demo.py',
    self_training=dict(
        cycles=2,
        sample=30,
        keep=12,
        portion_step=0.05,
        portion_limit=0.7,
        # after so few iterations little is sure; the published limit is 0.5
        low=0.2,
        relabel=1,
    ),
    # pseudo-labels are 256x128 pixels here
    collaboration=dict(
        cycles=2,
        sample=30,
        keep=12,
        low=0.2,
        relabel=1,
        min_pixels=80,
    ),
)
param_scheduler = _base_.demo_cycle_schedule
train_cfg = dict(max_iters=40, val_interval=40)
