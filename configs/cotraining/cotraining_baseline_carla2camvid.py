# First training of cotraining_carla2camvid.py: the source alone.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r18_small.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/cotraining_carla2camvid.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid_day'
train_dataloader = dict(dataset=dict(samples=dict(_delete_=True, source=4)))
param_scheduler = _base_.long_schedule
