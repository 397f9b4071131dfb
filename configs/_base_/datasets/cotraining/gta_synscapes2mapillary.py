# GTA5 and Synscapes -> Mapillary Vistas, nineteen classes.
_base_ = './protocol.py'
source_dataset = [_base_.sources.gta5, _base_.sources.synscapes]
target_dataset = _base_.targets.mapillary
train_dataloader = dict(
    dataset=dict(source=source_dataset, target=target_dataset)
)
val_dataloader = test_dataloader = _base_.evaluated.mapillary
val_evaluator = test_evaluator = _base_.metrics.mapillary
