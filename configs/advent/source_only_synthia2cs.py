# Lower bound: supervised training on SYNTHIA alone, 16 classes.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/synthia2cs.py',
    '../_base_/schedules/advent_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='SourceOnly',
    segmentor=dict(
        decode_head=dict(num_classes=16), auxiliary_head=dict(num_classes=16)
    ),
)
# target images would adapt the batch-norm statistics
train_dataloader = dict(dataset=dict(target=None))
