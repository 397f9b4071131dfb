# AdvEnt on the merged targets, CARLA -> CamVid by day and at dusk: 800
# iterations on the source alone, then adaptation with a small weight. Roots:
# --data-root source=DIR day=DIR dusk=DIR
_base_ = [
    '../_base_/models/deeplabv2_r18_small.py',
    '../_base_/datasets/mtaf/carla2camvid.py',
    '../_base_/schedules/small_2000_several_targets.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    warmup_iters=800,
    segmentor=dict(
        decode_head=dict(num_classes=10),
        auxiliary_head=dict(num_classes=10),
    ),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=10,
        base_channels=16,
    ),
    adversarial_weights=dict(decode=1e-3, aux=2e-4),
)
default_hooks = dict(checkpoint=dict(interval=500))
