# AdvEnt on SegFormer (MiT-B5), GTA5 -> Cityscapes, one level. No published
# result; the weight is that of ADVENT's main head.
_base_ = [
    '../_base_/models/segformer_mit-b5.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/segformer_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='AdvEnt',
    discriminator=dict(
        type='MultiLevelDiscriminator', levels=['decode'], in_channels=19
    ),
    adversarial_weights=dict(decode=1e-3),
)
