# CoaST (WACV 2023), GTA5 -> Cityscapes, Mapillary Vistas, seven classes. Not
# published, as far as we know.
_base_ = [
    '../../_base_/models/coast_r101.py',
    '../../_base_/settings/coast.py',
    '../../_base_/schedules/coast.py',
    '../../_base_/coast_runtime.py',
]
setting = 'g2cm'
self_training = dict(
    initial='../warm_up/g2cm.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/{setting}/iter_60000.pth'
