# First training of cotraining_efficientnet-lite0_idda2cs256.py: the source
# alone.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_efficientnet-lite0.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/cotraining_idda2cs256.py',
    '../_base_/schedules/small_1000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256'
train_dataloader = dict(dataset=dict(samples=dict(_delete_=True, source=4)))
default_hooks = dict(checkpoint=dict(interval=500))
