# VFM-UDA with the rates of VFM-UDA++, which fall from block to block, GTA5 ->
# Cityscapes. No published result.
_base_ = [
    '../_base_/networks/vfm_dinov2-b.py',
    '../_base_/methods/vfm_uda.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda_layer_decay.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
