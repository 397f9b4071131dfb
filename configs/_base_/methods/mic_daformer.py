# MIC (CVPR 2023) on DAFormer: as mic.py, with half the size of a block at half
# the size of the images.
_base_ = './daformer.py'
method = dict(
    terms=[
        dict(type='FeatureDistance', weight=0.005),
        dict(type='MaskedConsistency', block_size=32, mask_ratio=0.7),
    ]
)
