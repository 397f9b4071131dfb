# MLCL (TCSVT 2024), IDD -> Cityscapes, Mapillary Vistas, seven classes.
# Published: 77.37 and 75.96 mIoU (Cityscapes, Mapillary Vistas), the best
# checkpoint by target labels, at training resolution.
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/mlcl.py',
    '../_base_/coast_runtime.py',
]
setting = 'i2cm'
model = dict(
    # solved from the losses in the log of the published run
    ensemble_weight=0.05,
)
