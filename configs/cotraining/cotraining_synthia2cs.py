# Co-training (Sensors 2023), SYNTHIA -> Cityscapes, sixteen classes: the whole
# procedure with tools/cotrain.py. The rest of this config is the training of a
# cycle.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/synthia2cs.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/procedures/cotraining.py',
    '../_base_/default_runtime.py',
]
cotraining = dict(
    baseline='cotraining_baseline_synthia2cs.py',
    final='cotraining_final_synthia2cs.py',
    self_training=dict(portion=0.25, portion_step=0.05, portion_limit=0.5),
)
model = dict(
    type='CoTraining',
    class_mix=dict(classes='demand'),
    segmentor=dict(decode_head=dict(num_classes=16)),
)
