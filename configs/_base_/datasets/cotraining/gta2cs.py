# GTA5 -> Cityscapes, nineteen classes. Batches hold as many target images as
# pure source images here, and target images are scaled at random.
_base_ = './protocol.py'
class_mix_samples = dict(source=4, target=2)
final_samples = dict(source=2, target=2)
source_dataset = _base_.sources.gta5
target_dataset = _base_.targets.cityscapes_any_scale
train_dataloader = dict(
    dataset=dict(
        source=source_dataset, target=target_dataset, samples=class_mix_samples
    )
)
val_dataloader = test_dataloader = _base_.evaluated.cityscapes
val_evaluator = test_evaluator = _base_.metrics.cityscapes
