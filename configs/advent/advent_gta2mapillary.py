# AdvEnt, GTA5 -> Mapillary Vistas v1.2, seven classes: the start of ESL's
# setting. Weights as for Cityscapes.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2mapillary'
