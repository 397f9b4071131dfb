# Cityscapes -> Mapillary Vistas, IDD, nineteen classes.
_base_ = './nineteen_classes.py'
targets = ['mapillary', 'idd']
train_dataloader = dict(
    dataset=dict(
        source=_base_.labelled.cityscapes,
        targets={name: _base_.unlabelled[name] for name in targets},
    )
)
val_dataloader = test_dataloader = [_base_.evaluated[n] for n in targets]
val_evaluator = test_evaluator = [_base_.metrics[n] for n in targets]
