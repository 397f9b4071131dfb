# MTKT (MTAF, ICCV 2021), GTA5 -> Cityscapes, Mapillary Vistas, seven classes.
# Published, as recalled: 71.1 and 70.8 mIoU (Cityscapes, Mapillary Vistas).
_base_ = [
    '../../_base_/models/mtkt_r101.py',
    '../../_base_/datasets/g2cm.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    targets=_base_.targets,
    segmentor=dict(targets=_base_.targets),
    divergence_weights=dict(decode=1 / 7, aux=0.1 / 2 / 7),
)
