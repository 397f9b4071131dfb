# AdvEnt, GTA5 -> Cityscapes, 19 classes, DeepLab-V2 ResNet-101.
# Published: 43.8 mIoU (ADVENT, table 1a; 43.3 to 44.1 over the authors' runs).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
