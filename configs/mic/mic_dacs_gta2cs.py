# MIC on DACS, GTA5 -> Cityscapes, DeepLab-V2 ResNet-101.
_base_ = [
    '../_base_/networks/deeplabv2_v1c_r101.py',
    '../_base_/methods/mic_dacs.py',
    '../_base_/settings/dacs.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
