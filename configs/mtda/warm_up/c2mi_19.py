# The warm-up of MLCL, Cityscapes -> Mapillary Vistas, IDD, nineteen classes.
_base_ = [
    '../../_base_/models/warm_up_r101.py',
    '../../_base_/datasets/coast/c2mi_19.py',
    '../../_base_/schedules/coast_warm_up.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    targets=_base_.targets,
    segmentor=dict(
        targets=_base_.targets,
        decode_head=dict(num_classes=_base_.num_classes),
    ),
    discriminator=dict(in_channels=_base_.num_classes),
)
train_dataloader = dict(
    dataset=dict(
        targets={
            name: dict(pipeline=_base_.warm_up_pipeline)
            for name in _base_.targets
        }
    )
)
