# Lower bound: supervised training on SYNTHIA alone, 16 classes.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
