# Lower bound of VFM-UDA: its network on GTA5 alone, augmented in the same way,
# and tested with the average of its weights on Cityscapes.
_base_ = [
    '../_base_/networks/vfm_dinov2-b.py',
    '../_base_/methods/source_only_augmented.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
