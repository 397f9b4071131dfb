# MLCL (TCSVT 2024), GTA5 -> Cityscapes, IDD, seven classes, on VGG-16 with
# eight images of each domain. In the published log: 67.7 and 65.7 mIoU
# (Cityscapes, IDD) at iteration 29,000, the best one.
_base_ = [
    '../_base_/networks/aspp_vgg16.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/mlcl.py',
    '../_base_/coast_runtime.py',
]
setting = 'g2ci'
self_training = dict(initial='warm_up_aspp-vgg16_g2ci.py')
load_from = 'work_dirs/mtda/warm_up_aspp-vgg16_{setting}/iter_60000.pth'
model = dict(
    # solved from the losses in the log of the published run
    ensemble_weight=0.05,
)
train_dataloader = dict(batch_size=8)
