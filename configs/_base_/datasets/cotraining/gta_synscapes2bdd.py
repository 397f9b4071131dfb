# GTA5 and Synscapes -> BDD100K, nineteen classes.
_base_ = './protocol.py'
source_dataset = [_base_.sources.gta5, _base_.sources.synscapes]
target_dataset = _base_.targets.bdd100k
train_dataloader = dict(
    dataset=dict(source=source_dataset, target=target_dataset)
)
val_dataloader = test_dataloader = _base_.evaluated.bdd100k
val_evaluator = test_evaluator = _base_.metrics.bdd100k
