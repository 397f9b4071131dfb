# Last training of co-training, SYNTHIA -> Cityscapes, sixteen classes: the
# source and pseudo-labels of all target images, nothing mixed.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r101.py',
    '../_base_/methods/cotraining_final.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
train_dataloader = dict(dataset=dict(samples=dict(source=1, target=3)))
