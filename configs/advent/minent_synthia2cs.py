# MinEnt, SYNTHIA -> Cityscapes, 16 classes. Published: 38.1 mIoU on 16 and
# 44.2 on 13 classes (ADVENT, table 1b). Weights as for GTA5: the authors
# changed the number of iterations only.
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/synthia2cs.py',
    '../_base_/schedules/advent_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MinEnt',
    segmentor=dict(
        decode_head=dict(num_classes=16), auxiliary_head=dict(num_classes=16)
    ),
    entropy_weights=dict(decode=1e-3, aux=2e-4),
)
