# MLCL (TCSVT 2024), IDD -> Cityscapes, Mapillary Vistas, seven classes.
# Published: 77.37 and 75.96 mIoU (Cityscapes, Mapillary Vistas), the best
# checkpoint by target labels, at training resolution.
_base_ = [
    '../../_base_/models/mlcl_r101.py',
    '../../_base_/settings/coast.py',
    '../../_base_/schedules/mlcl.py',
    '../../_base_/coast_runtime.py',
]
setting = 'i2cm'
self_training = dict(
    initial='../warm_up/i2cm.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/{setting}/iter_60000.pth'
model = dict(
    # solved from the losses in the log of the published run
    ensemble_weight=0.05,
)
