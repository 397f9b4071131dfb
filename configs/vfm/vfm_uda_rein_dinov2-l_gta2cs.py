# VFM-UDA of a frozen ViT-L that Rein refines, GTA5 -> Cityscapes. No published
# result.
_base_ = [
    '../_base_/networks/vfm_rein_dinov2-l.py',
    '../_base_/methods/vfm_uda.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
