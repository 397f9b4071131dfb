# Lower bound: supervised training on GTA5 alone, ADVENT's network and
# schedule.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
model = dict(type='SourceOnly')
# target images would adapt the batch-norm statistics
train_dataloader = dict(dataset=dict(target=None))
