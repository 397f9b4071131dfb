# MLCL (TCSVT 2024), GTA5 -> Mapillary Vistas, IDD, nineteen classes.
# Published: 54.02 and 51.23 mIoU (Mapillary Vistas, IDD), the best checkpoint
# by target labels, at training resolution.
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/mlcl.py',
    '../_base_/coast_runtime.py',
]
setting = 'g2mi_19'
model = dict(
    # solved from the losses in the log of the published run; the released
    # constant is 0.05
    ensemble_weight=0.01,
)
