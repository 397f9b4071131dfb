# MinEnt, GTA5 -> Cityscapes, 19 classes, DeepLab-V2 ResNet-101.
# Published: 42.3 mIoU (ADVENT, table 1a).
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/gta2cs.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
# weights of the released configuration
model = dict(type='MinEnt', entropy_weights=dict(decode=1e-3, aux=2e-4))
