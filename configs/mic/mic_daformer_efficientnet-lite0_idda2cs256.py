# MIC on DAFormer, on a small network with weights of ImageNet, IDDA ->
# Cityscapes at 256x256: 1000 iterations on the source alone, then
# self-training. Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/mic_daformer.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_2000_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda2cs256_rare'
# the teacher labels images in their own colours
target_images = 'weak'
model = dict(
    warmup_iters=1000,
    # crops have not the height of the image
    ignored_rows=None,
    terms=[
        dict(type='FeatureDistance', weight=0.005),
        # an eighth of the height of a crop; published: a sixteenth
        dict(type='MaskedConsistency', block_size=16, mask_ratio=0.7),
    ],
)
default_hooks = dict(checkpoint=dict(interval=500))
