# DACS on a small network with weights of ImageNet, IDDA -> Cityscapes at
# 256x256: 1000 iterations on the source alone, as the teacher's labels are
# noise before, then self-training. Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/dacs.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_2000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
# the teacher labels images in their own colours
target_images = 'weak'
model = dict(warmup_iters=1000)
default_hooks = dict(checkpoint=dict(interval=500))
