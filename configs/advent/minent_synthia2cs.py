# MinEnt, SYNTHIA -> Cityscapes, 16 classes. Published: 38.1 mIoU on 16 and
# 44.2 on 13 classes (ADVENT, table 1b). Weights as for GTA5: the authors
# changed the number of iterations only.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/minent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
