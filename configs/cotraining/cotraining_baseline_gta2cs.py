# First training of co-training, GTA5 -> Cityscapes: the source alone, whose
# images tools/cotrain.py has given the target's colours.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/gta2cs.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
source = dict(type='RareClassSampling', dataset=_base_.source_dataset)
model = dict(type='SourceOnly')
train_dataloader = dict(
    dataset=dict(
        source=dict(_delete_=True, **source),
        target=None,
        samples=dict(_delete_=True, source=4),
    )
)
