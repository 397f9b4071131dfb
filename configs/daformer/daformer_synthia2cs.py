# DAFormer, SYNTHIA -> Cityscapes. Published: 60.9 mIoU over 16 classes.
_base_ = [
    '../_base_/networks/daformer_mit-b5.py',
    '../_base_/methods/daformer.py',
    '../_base_/settings/daformer.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
