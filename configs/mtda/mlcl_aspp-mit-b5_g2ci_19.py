# MLCL (TCSVT 2024), GTA5 -> Cityscapes, IDD, nineteen classes, on SegFormer
# (MiT-B5). Published: 49.12 and 51.62 mIoU (Cityscapes, IDD), the best
# checkpoint by target labels, at training resolution. It is that of iteration
# 16,000; later ones are worse (see README.md).
_base_ = [
    '../_base_/networks/aspp_mit-b5.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/mlcl_segformer.py',
    '../_base_/coast_runtime.py',
]
setting = 'g2ci_19'
self_training = dict(initial='warm_up_aspp-mit-b5_g2ci_960x480.py')
load_from = 'work_dirs/mtda/warm_up_aspp-mit-b5_{setting}/iter_60000.pth'
model = dict(
    # solved from the losses in the log of the published run
    ensemble_weight=0.05,
)
