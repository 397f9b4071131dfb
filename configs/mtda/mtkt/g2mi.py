# MTKT (MTAF, ICCV 2021), GTA5 -> Mapillary Vistas, IDD, seven classes. Not
# published.
_base_ = [
    '../../_base_/models/mtkt_r101.py',
    '../../_base_/datasets/g2mi.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    targets=_base_.targets,
    segmentor=dict(targets=_base_.targets),
    divergence_weights=dict(decode=1 / 7, aux=0.1 / 2 / 7),
)
