# ESL on a small network with weights of ImageNet, IDDA -> Cityscapes at
# 256x256, from advent_efficientnet-lite0_idda2cs256.py and with its recipe.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/esl.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_1000_pretrained_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
self_training = dict(
    initial='../advent/advent_efficientnet-lite0_idda2cs256.py', rounds=1
)
model = dict(warmup_iters=300, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
