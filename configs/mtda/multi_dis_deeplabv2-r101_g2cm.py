# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Cityscapes, Mapillary Vistas, seven
# classes. Published, as recalled: 69.3 and 69.8 mIoU (Cityscapes, Mapillary
# Vistas).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/multi_dis.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cm'
