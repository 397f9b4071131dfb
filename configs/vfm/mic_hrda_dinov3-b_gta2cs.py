# MIC on HRDA with DINOv3's ViT-B, GTA5 -> Cityscapes. No published result.
_base_ = [
    '../_base_/networks/hrda_dinov3-b.py',
    '../_base_/methods/mic_vfm.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
