# Rein on a frozen ViT-L, GTA5 alone, tested on Cityscapes. Published with
# Mask2Former's head, which is not ours: 66.7 mIoU.
_base_ = [
    '../_base_/networks/vfm_rein_dinov2-l.py',
    '../_base_/methods/source_only_augmented.py',
    '../_base_/settings/vfm_uda.py',
    '../_base_/schedules/vfm_uda.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
