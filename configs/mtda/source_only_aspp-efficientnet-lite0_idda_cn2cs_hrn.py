# Lower bound on a small network with weights of ImageNet: IDDA at clear noon
# alone, evaluated at sunset and in rain. Roots: --data-root source=DIR
# sunset=DIR rain=DIR, all of IDDA
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/source_only_augmented.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_1000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda_cn2cs_hrn'
# colours are changed by the setting
model = dict(augmentation=False)
train_dataloader = dict(batch_size=4)
default_hooks = dict(checkpoint=dict(interval=500))
