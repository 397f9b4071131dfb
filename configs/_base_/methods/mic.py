# MIC (CVPR 2023) on HRDA: the teacher's labels are learned from masked target
# images, too. Blocks of 64 pixels, of which 0.7 are hidden.
# Which images are masked follows from the setting: see domains.py.
_base_ = './hrda.py'
method = dict(
    terms=[
        dict(type='FeatureDistance', weight=0.005),
        dict(type='MaskedConsistency', block_size=64, mask_ratio=0.7),
    ]
)
