# CCL (CVPR 2021), rebuilt from its abstract: GTA5 -> Cityscapes, Mapillary
# Vistas, nineteen classes. The images are those of MTAF, smaller than the
# published ones. Published, as recalled: 45.1 and 48.8 mIoU (Cityscapes,
# Mapillary Vistas).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/ccl.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/ccl.py',
    '../_base_/ccl_runtime.py',
]
setting = 'g2cm_19'
