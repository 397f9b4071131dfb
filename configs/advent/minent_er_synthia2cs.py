# MinEnt with entropy ranges (top 30 % of the pixels), SYNTHIA -> Cityscapes.
# No result of this single model is published.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/minent_er.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
