# First training of co-training, SYNTHIA -> Cityscapes, sixteen classes: the
# source alone, whose images tools/cotrain.py has given the target's colours.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/synthia2cs.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='SourceOnly',
    segmentor=dict(decode_head=dict(num_classes=16)),
)
train_dataloader = dict(
    dataset=dict(target=None, samples=dict(_delete_=True, source=4))
)
