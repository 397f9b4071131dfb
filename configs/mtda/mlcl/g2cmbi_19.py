# MLCL (TCSVT 2024), GTA5 -> Cityscapes, Mapillary Vistas, BDD100K, IDD,
# nineteen classes. Not published: an example of four targets.
_base_ = [
    '../../_base_/models/mlcl_r101.py',
    '../../_base_/datasets/coast/g2cmbi_19.py',
    '../../_base_/schedules/mlcl.py',
    '../../_base_/coast_runtime.py',
]
self_training = dict(
    initial='../warm_up/g2cmbi_19.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/warm_up/g2cmbi_19/iter_60000.pth'
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        decode_head=dict(num_classes=_base_.num_classes),
    ),
    # of the three targets without BDD100K
    ensemble_weight=0.01,
)
