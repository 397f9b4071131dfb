# MIC on AdvEnt, on a small network with weights of ImageNet, IDDA ->
# Cityscapes at 256x256: 1000 iterations on the source alone, then adaptation.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/mic_advent.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_2000_pretrained_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
# the teacher labels images in their own colours, which the terms of the host
# see, too, other than in advent_efficientnet-lite0_idda2cs256.py
target_images = 'weak'
model = dict(
    warmup_iters=1000,
    discriminator=dict(base_channels=16),
    # an eighth of the height of a crop; published: a sixteenth
    terms=[dict(type='MaskedConsistency', block_size=16, mask_ratio=0.7)],
)
default_hooks = dict(checkpoint=dict(interval=500))
