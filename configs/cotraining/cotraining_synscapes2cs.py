# Co-training (Sensors 2023), Synscapes -> Cityscapes: the whole procedure with
# tools/cotrain.py. The rest of this config is the training of a cycle.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/synscapes2cs.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/procedures/cotraining.py',
    '../_base_/default_runtime.py',
]
cotraining = dict(
    baseline='cotraining_baseline_synscapes2cs.py',
    final='cotraining_final_synscapes2cs.py',
    self_training=dict(portion=0.3, portion_step=0.05, portion_limit=0.2),
    collaboration=dict(portion_step=0.05, portion_limit=0.7),
)
model = dict(
    type='CoTraining',
    class_mix=dict(classes='demand'),
)
