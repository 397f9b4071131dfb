# AdvEnt on a small network with weights of ImageNet, IDDA -> Cityscapes at
# 256x256: 1000 iterations on the source alone, then adaptation. Roots:
# --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_2000_pretrained_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
model = dict(warmup_iters=1000, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
