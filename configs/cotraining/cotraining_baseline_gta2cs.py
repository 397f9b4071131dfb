# First training of co-training, GTA5 -> Cityscapes: the source alone, whose
# images tools/cotrain.py has given the target's colours.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r101.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
train_dataloader = dict(dataset=dict(samples=dict(_delete_=True, source=4)))
