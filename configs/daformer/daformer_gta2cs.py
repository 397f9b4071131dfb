# DAFormer, GTA5 -> Cityscapes. Published: 68.3 mIoU.
_base_ = [
    '../_base_/networks/daformer_mit-b5.py',
    '../_base_/methods/daformer.py',
    '../_base_/settings/daformer.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
