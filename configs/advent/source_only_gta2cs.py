# Lower bound: supervised training on GTA5 alone, ADVENT's network and
# schedule.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
