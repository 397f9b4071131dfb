# AdvEnt on VGG-16 with one head. Published: 36.1 mIoU (ADVENT, table 1a).
_base_ = [
    '../_base_/networks/deeplabv2_vgg16.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
