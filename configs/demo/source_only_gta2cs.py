# configs/advent/source_only_gta2cs.py at the demo's size.
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/gta2cs_demo.py',
    '../_base_/schedules/demo.py',
    '../_base_/default_runtime.py',
]
model = dict(type='SourceOnly')
train_dataloader = dict(dataset=dict(target=None))
default_hooks = dict(checkpoint=dict(interval=300))
