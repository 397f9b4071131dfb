# Lower bound of methods on a small network with weights of ImageNet, IDDA ->
# Cityscapes at 256x256, on a CPU: the source alone, with the setting's changes
# of colours and averaged weights, as all methods on it have them. Roots:
# --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/source_only_augmented.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_2000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
# colours are changed by the setting
model = dict(augmentation=False)
train_dataloader = dict(batch_size=4)
default_hooks = dict(checkpoint=dict(interval=500))
