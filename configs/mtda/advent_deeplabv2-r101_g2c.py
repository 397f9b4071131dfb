# AdvEnt on one target, for comparison with several: GTA5 -> Cityscapes, seven
# classes, data and schedule of MTAF (ICCV 2021).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf.py',
    '../_base_/default_runtime.py',
]
setting = 'g2c'
