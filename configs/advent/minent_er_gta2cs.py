# MinEnt with entropy ranges: only the 30 % of each target image's pixels with
# the highest entropy count (ADVENT, section 3.1). Published: 43.1 mIoU. The
# authors' code does not contain this variant.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/minent_er.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
