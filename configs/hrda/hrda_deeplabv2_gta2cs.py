# HRDA on DeepLab-V2 ResNet-101, GTA5 -> Cityscapes. Published: 63.0 mIoU.
_base_ = [
    '../_base_/networks/hrda_deeplabv2_v1c_r101.py',
    '../_base_/methods/hrda.py',
    '../_base_/settings/hrda.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
