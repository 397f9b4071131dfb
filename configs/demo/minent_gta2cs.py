# For the demo: the data classes and layouts of configs/advent, a small network
# from random weights, small images and a short schedule with a warm-up.
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/gta2cs_demo.py',
    '../_base_/schedules/demo.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MinEnt',
    warmup_iters=300,
    entropy_weights=dict(decode=1e-2, aux=2e-3),
)
default_hooks = dict(checkpoint=dict(interval=300))
