# MinEnt on VGG-16 with one head. Published: 32.8 mIoU (ADVENT, table 1a).
_base_ = [
    '../_base_/models/deeplabv2_vgg16.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
model = dict(type='MinEnt', entropy_weights=dict(decode=1e-3))
