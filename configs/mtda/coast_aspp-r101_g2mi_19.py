# CoaST (WACV 2023), GTA5 -> Mapillary Vistas, IDD, nineteen classes.
# Published, as recalled with doubt: 51.6 and 49.5 mIoU (Mapillary Vistas,
# IDD).
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/coast.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast.py',
    '../_base_/coast_runtime.py',
]
setting = 'g2mi_19'
