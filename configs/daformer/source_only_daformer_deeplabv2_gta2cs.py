# Lower bound of daformer_deeplabv2_gta2cs.py: GTA5 alone by rare-class
# sampling, under the augmentation of mixed images, and averaged weights.
_base_ = [
    '../_base_/networks/deeplabv2_v1c_r101.py',
    '../_base_/methods/source_only_augmented.py',
    '../_base_/settings/daformer.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
