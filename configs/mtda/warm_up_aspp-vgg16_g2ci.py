# The warm-up of CoaST and MLCL, GTA5 -> Cityscapes, IDD, seven classes, on
# VGG-16.
_base_ = [
    '../_base_/networks/aspp_vgg16.py',
    '../_base_/methods/warm_up.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'g2ci'
