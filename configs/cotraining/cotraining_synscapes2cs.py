# Co-training (Sensors 2023), Synscapes -> Cityscapes: the whole procedure with
# tools/cotrain.py. The rest of this config is the training of a cycle.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r101.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/default_runtime.py',
]
setting = 'synscapes2cs'
cotraining = dict(
    baseline='cotraining_baseline_synscapes2cs.py',
    final='cotraining_final_synscapes2cs.py',
    self_training=dict(portion=0.3, portion_step=0.05, portion_limit=0.2),
    collaboration=dict(portion_step=0.05, portion_limit=0.7),
)
