# CoaST (WACV 2023), GTA5 -> Cityscapes, Mapillary Vistas, IDD, seven classes.
# Not published, as far as we know.
_base_ = [
    '../../_base_/models/coast_r101.py',
    '../../_base_/datasets/coast/g2cmi.py',
    '../../_base_/schedules/coast.py',
    '../../_base_/coast_runtime.py',
]
self_training = dict(
    initial='../warm_up/g2cmi.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/g2cmi/iter_60000.pth'
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        decode_head=dict(num_classes=_base_.num_classes),
    ),
)
