# The warm-up of CoaST and MLCL, GTA5 -> Cityscapes, Mapillary Vistas, IDD,
# seven classes.
_base_ = [
    '../_base_/models/warm_up_r101.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cmi'
