# DACS, GTA5 -> Cityscapes, DeepLab-V2 ResNet-101, in the recipe of DAFormer.
# Published: 53.9 mIoU (by DAFormer's author).
_base_ = [
    '../_base_/networks/deeplabv2_v1c_r101.py',
    '../_base_/methods/dacs.py',
    '../_base_/settings/dacs.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
