# CoaST (WACV 2023), GTA5 -> Cityscapes, Mapillary Vistas, IDD, nineteen
# classes. Published, as recalled with doubt: a mean of 49.1 mIoU.
_base_ = [
    '../../_base_/models/coast_r101.py',
    '../../_base_/datasets/coast/g2cmi_19.py',
    '../../_base_/schedules/coast.py',
    '../../_base_/coast_runtime.py',
]
self_training = dict(
    initial='../warm_up/g2cmi_19.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/g2cmi_19/iter_60000.pth'
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        decode_head=dict(num_classes=_base_.num_classes),
    ),
)
