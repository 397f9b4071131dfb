# MTKT (MTAF, ICCV 2021), GTA5 -> Cityscapes, IDD, seven classes. Published, as
# recalled: 70.4 and 65.9 mIoU (Cityscapes, IDD).
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/mtkt.py',
    '../_base_/settings/mtaf.py',
    '../_base_/schedules/mtaf.py',
    '../_base_/mtkt_runtime.py',
]
setting = 'g2ci'
