# MTKT (MTAF, ICCV 2021), Cityscapes -> Mapillary Vistas, IDD, seven classes.
# Not published, as far as we know.
_base_ = [
    '../../_base_/models/mtkt_r101.py',
    '../../_base_/settings/mtaf.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/mtkt_runtime.py',
]
setting = 'c2mi'
