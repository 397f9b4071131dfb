# CoaST (WACV 2023), GTA5 -> Cityscapes, Mapillary Vistas, IDD, nineteen
# classes. Published, as recalled with doubt: a mean of 49.1 mIoU.
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/coast.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast.py',
    '../_base_/coast_runtime.py',
]
setting = 'g2cmi_19'
