# MLCL (TCSVT 2024), GTA5 -> Cityscapes, Mapillary Vistas, BDD100K, IDD,
# nineteen classes. Not published: an example of four targets.
_base_ = [
    '../../_base_/models/mlcl_r101.py',
    '../../_base_/settings/coast.py',
    '../../_base_/schedules/mlcl.py',
    '../../_base_/coast_runtime.py',
]
setting = 'g2cmbi_19'
self_training = dict(
    initial='../warm_up/g2cmbi_19.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/{setting}/iter_60000.pth'
model = dict(
    # of the three targets without BDD100K
    ensemble_weight=0.01,
)
