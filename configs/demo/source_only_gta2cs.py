# For the demo: the data classes and layouts of configs/advent, a small network
# from random weights, small images and a short schedule.
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/gta2cs_demo.py',
    '../_base_/schedules/demo.py',
    '../_base_/default_runtime.py',
]
model = dict(type='SourceOnly')
train_dataloader = dict(dataset=dict(target=None))
default_hooks = dict(checkpoint=dict(interval=300))
