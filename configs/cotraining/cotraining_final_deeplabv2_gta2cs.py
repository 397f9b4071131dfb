# The last training of cotraining_gta2cs.py with DeepLab-V2, whose head has no
# low-level features.
_base_ = [
    '../_base_/models/cotraining_deeplabv2_r101.py',
    '../_base_/datasets/cotraining/gta2cs.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
source = dict(type='RareClassSampling', dataset=_base_.source_dataset)
model = dict(type='CoTraining')
train_dataloader = dict(
    dataset=dict(
        source=dict(_delete_=True, **source), samples=_base_.final_samples
    )
)
