# First training of cotraining_carla2camvid.py: the source alone.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r18_small.py',
    '../_base_/datasets/cotraining/carla2camvid.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='SourceOnly', segmentor=dict(decode_head=dict(num_classes=10))
)
train_dataloader = dict(
    dataset=dict(target=None, samples=dict(_delete_=True, source=4))
)
param_scheduler = _base_.long_schedule
