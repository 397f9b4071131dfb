# GTA5 -> Cityscapes, Mapillary Vistas, IDD, seven classes; see mtaf.py.
_base_ = './mtaf.py'
targets = ['cityscapes', 'mapillary', 'idd']
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainDataset',
        source=dict(_base_.source_dataset, **_base_.source),
        targets=dict(
            cityscapes=_base_.cityscapes,
            mapillary=_base_.mapillary,
            idd=_base_.idd,
        ),
    )
)
val_dataloader = [
    _base_.cityscapes_val,
    _base_.mapillary_val,
    _base_.idd_val,
]
test_dataloader = val_dataloader
val_evaluator = [
    _base_.cityscapes_metric,
    _base_.mapillary_metric,
    _base_.idd_metric,
]
test_evaluator = val_evaluator
