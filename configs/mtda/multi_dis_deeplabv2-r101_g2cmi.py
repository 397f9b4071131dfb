# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Cityscapes, Mapillary Vistas, IDD, seven
# classes. Published, as recalled: 68.8, 70.0 and 65.8 mIoU (Cityscapes,
# Mapillary Vistas, IDD).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/multi_dis.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cmi'
