# MLCL (TCSVT 2024), Cityscapes -> Mapillary Vistas, IDD, seven classes.
# Published: 76.15 and 73.36 mIoU (Mapillary Vistas, IDD), the best checkpoint
# by target labels, at training resolution.
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/mlcl.py',
    '../_base_/coast_runtime.py',
]
setting = 'c2mi'
model = dict(
    # solved from the losses in the log of the published run
    ensemble_weight=0.05,
)
