# Co-training (Sensors 2023), GTA5 + Synscapes -> Cityscapes: the whole
# procedure with tools/cotrain.py. The rest of this config is the training of a
# cycle. The released config lacks the portions of self-training; 0.5 is what
# the names of published runs say.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r101.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/default_runtime.py',
]
setting = 'gta_synscapes2cs'
cotraining = dict(
    baseline='cotraining_baseline_gta_synscapes2cs.py',
    final='cotraining_final_gta_synscapes2cs.py',
    self_training=dict(keep=200),
    # published: 0.5 in self-training only
    collaboration=dict(
        keep=200, changes={'model.segmentor.decode_head.dropout_ratio': 0.1}
    ),
)
model = dict(
    segmentor=dict(
        decode_head=dict(
            dropout_ratio=0.5,
        )
    )
)
