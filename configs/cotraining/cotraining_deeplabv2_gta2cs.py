# The training of a cycle of cotraining_gta2cs.py with DeepLab-V2, whose head
# has no low-level features.
_base_ = [
    '../_base_/models/cotraining_deeplabv2_r101.py',
    '../_base_/datasets/cotraining/gta2cs.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/procedures/cotraining.py',
    '../_base_/default_runtime.py',
]
cotraining = dict(
    baseline='cotraining_baseline_deeplabv2_gta2cs.py',
    final='cotraining_final_deeplabv2_gta2cs.py',
    self_training=dict(portion_step=0.05, portion_limit=0.7),
)
source = dict(type='RareClassSampling', dataset=_base_.source_dataset)
model = dict(
    type='CoTraining',
    class_mix=dict(classes='demand'),
)
train_dataloader = dict(dataset=dict(source=dict(_delete_=True, **source)))
