# MIC from clear to adverse weather: half of the masked images are those of the
# source, with its labels, and no colours are changed.
_base_ = './hrda.py'
method = dict(
    terms=[
        dict(type='FeatureDistance', weight=0.005),
        dict(
            type='MaskedConsistency',
            block_size=64,
            mask_ratio=0.7,
            mode='separate',
        ),
    ]
)
