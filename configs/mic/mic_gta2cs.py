# MIC on HRDA, GTA5 -> Cityscapes. Published: 75.9 mIoU.
_base_ = [
    '../_base_/networks/hrda_mit-b5.py',
    '../_base_/methods/mic.py',
    '../_base_/settings/hrda.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
