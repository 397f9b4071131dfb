# First training of cotraining_demo.py: the source alone.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r18_small.py',
    '../_base_/datasets/cotraining/demo.py',
    '../_base_/schedules/cotraining_small.py',
    '../_base_/default_runtime.py',
]
source = dict(
    type='RareClassSampling', dataset=_base_.source_dataset, min_pixels=200
)
model = dict(type='SourceOnly')
train_dataloader = dict(
    dataset=dict(
        source=dict(_delete_=True, **source),
        target=None,
        samples=dict(_delete_=True, source=4),
    )
)
param_scheduler = _base_.demo_long_schedule
train_cfg = dict(max_iters=200, val_interval=200)
