# MTKT (MTAF, ICCV 2021), IDD -> Cityscapes, Mapillary Vistas, seven classes.
# Not published, as far as we know.
_base_ = [
    '../../_base_/models/mtkt_r101.py',
    '../../_base_/datasets/mtaf/i2cm.py',
    '../../_base_/schedules/mtaf.py',
    '../../_base_/mtkt_runtime.py',
]
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        decode_head=dict(num_classes=_base_.num_classes),
        auxiliary_head=dict(num_classes=_base_.num_classes),
    ),
    discriminator=dict(in_channels=_base_.num_classes),
    divergence_weights=dict(
        decode=1 / _base_.num_classes,
        aux=0.1 / len(_base_.targets) / _base_.num_classes,
    ),
)
