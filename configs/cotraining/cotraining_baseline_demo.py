# First training of cotraining_demo.py: the source alone.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r18_small.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/cotraining_demo.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
train_dataloader = dict(dataset=dict(samples=dict(_delete_=True, source=4)))
param_scheduler = _base_.demo_long_schedule
train_cfg = dict(max_iters=200, val_interval=200)
