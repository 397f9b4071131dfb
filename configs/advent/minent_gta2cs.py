# MinEnt, GTA5 -> Cityscapes, 19 classes, DeepLab-V2 ResNet-101.
# Published: 42.3 mIoU (ADVENT, table 1a).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/minent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
