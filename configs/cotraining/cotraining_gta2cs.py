# Co-training (Sensors 2023), GTA5 -> Cityscapes: the whole procedure with
# tools/cotrain.py. The rest of this config is the training of a cycle.
_base_ = [
    '../_base_/networks/deeplabv3plus_detectron2_r101.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
cotraining = dict(
    baseline='cotraining_baseline_gta2cs.py',
    final='cotraining_final_gta2cs.py',
    self_training=dict(portion_step=0.05, portion_limit=0.7),
    # published: 0.5 in self-training only
    collaboration=dict(
        changes={'model.segmentor.decode_head.dropout_ratio': 0.1}
    ),
)
model = dict(
    segmentor=dict(
        decode_head=dict(
            dropout_ratio=0.5,
        )
    )
)
train_dataloader = dict(dataset=dict(samples=dict(source=4, target=2)))
