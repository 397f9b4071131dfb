# The training of a cycle of cotraining_gta2cs.py with DeepLab-V2, whose head
# has no low-level features.
_base_ = [
    '../_base_/networks/deeplabv2_one_head_r101.py',
    '../_base_/methods/cotraining.py',
    '../_base_/settings/cotraining.py',
    '../_base_/schedules/cotraining_cycle.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
cotraining = dict(
    baseline='cotraining_baseline_deeplabv2_gta2cs.py',
    final='cotraining_final_deeplabv2_gta2cs.py',
    self_training=dict(portion_step=0.05, portion_limit=0.7),
)
model = dict(
    segmentor=dict(
        decode_head=dict(
            # of the published DeepLabV3+
            loss_decode=dict(
                _delete_=True, type='HardPixelCrossEntropyLoss', portion=0.2
            ),
        )
    )
)
train_dataloader = dict(dataset=dict(samples=dict(source=4, target=2)))
