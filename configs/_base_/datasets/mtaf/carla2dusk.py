# CARLA -> CamVid at dusk, ten classes.
_base_ = './carla2camvid.py'
targets = ['dusk']
train_dataloader = dict(
    dataset=dict(targets=dict(_delete_=True, dusk=_base_.unlabelled.dusk))
)
val_dataloader = [_base_.evaluated.dusk]
test_dataloader = [_base_.tested.dusk]
val_evaluator = test_evaluator = [_base_.metrics.dusk]
