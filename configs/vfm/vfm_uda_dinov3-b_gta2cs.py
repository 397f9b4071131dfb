# VFM-UDA on DINOv3's ViT-B, GTA5 -> Cityscapes. No published result.
_base_ = [
    '../_base_/networks/vfm_dinov3-b.py',
    '../_base_/methods/vfm_uda.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
