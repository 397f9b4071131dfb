# DAFormer's training on DeepLab-V2 ResNet-101, GTA5 -> Cityscapes. Published:
# 56.0 mIoU.
_base_ = [
    '../_base_/networks/deeplabv2_v1c_r101.py',
    '../_base_/methods/daformer.py',
    '../_base_/settings/daformer.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
