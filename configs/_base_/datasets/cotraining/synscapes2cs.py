# Synscapes -> Cityscapes, nineteen classes.
_base_ = './protocol.py'
source_dataset = _base_.sources.synscapes
target_dataset = _base_.targets.cityscapes
train_dataloader = dict(
    dataset=dict(source=source_dataset, target=target_dataset)
)
val_dataloader = test_dataloader = _base_.evaluated.cityscapes
val_evaluator = test_evaluator = _base_.metrics.cityscapes
