# AdvEnt on DeepLabV3+ (ResNet-101), GTA5 -> Cityscapes, two levels. No
# published result; weights and schedule are those of ADVENT.
_base_ = [
    '../_base_/networks/deeplabv3plus_r101.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
