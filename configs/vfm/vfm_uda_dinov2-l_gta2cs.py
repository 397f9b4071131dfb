# VFM-UDA on DINOv2's ViT-L, GTA5 -> Cityscapes. Published: 78.4 mIoU.
_base_ = [
    '../_base_/networks/vfm_dinov2-l.py',
    '../_base_/methods/vfm_uda.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
