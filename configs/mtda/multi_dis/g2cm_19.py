# Multi-Dis (MTAF, ICCV 2021), GTA5 -> Cityscapes, Mapillary Vistas, nineteen
# classes. Not published, as far as we know.
_base_ = [
    '../../_base_/models/multi_dis_r101.py',
    '../../_base_/settings/mtaf.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/default_runtime.py',
]
setting = 'g2cm_19'
