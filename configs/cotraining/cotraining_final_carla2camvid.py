# Last training of cotraining_carla2camvid.py: the source and pseudo-labels of
# all target images, nothing mixed.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r18_small.py',
    '../_base_/datasets/cotraining/carla2camvid.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='CoTraining', segmentor=dict(decode_head=dict(num_classes=10))
)
train_dataloader = dict(dataset=dict(samples=_base_.final_samples))
param_scheduler = _base_.long_schedule
