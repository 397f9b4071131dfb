# CARLA -> CamVid by day, ten classes.
_base_ = './carla2camvid.py'
targets = ['day']
train_dataloader = dict(
    dataset=dict(targets=dict(_delete_=True, day=_base_.unlabelled.day))
)
val_dataloader = [_base_.evaluated.day]
test_dataloader = [_base_.tested.day]
val_evaluator = test_evaluator = [_base_.metrics.day]
