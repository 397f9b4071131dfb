# AdvEnt on the merged targets, the baseline of MTAF (ICCV 2021): GTA5 ->
# Cityscapes, Mapillary Vistas, seven classes. One discriminator tells the
# source from all targets. Published, as recalled: 69.1 and 68.7 mIoU
# (Cityscapes, Mapillary Vistas).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cm'
