# As vfm_uda.py with blocks of 64 pixels that are masked, as in MIC (CVPR 2023)
# and VFM-UDA++, not tokens.
_base_ = './vfm_uda.py'
method = dict(
    terms=[
        dict(
            type='MaskedConsistency',
            block_size=64,
            mask_ratio=0.7,
            mode='target',
        )
    ]
)
