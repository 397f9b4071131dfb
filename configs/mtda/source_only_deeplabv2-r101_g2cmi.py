# Lower bound: GTA5 alone, evaluated on Cityscapes, Mapillary Vistas, IDD;
# seven classes, data and schedule of MTAF (ICCV 2021).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf_source_only.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cmi'
