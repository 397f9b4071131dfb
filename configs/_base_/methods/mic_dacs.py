# MIC (CVPR 2023) on DACS, whose teacher's labels it shares.
_base_ = './dacs.py'
method = dict(
    terms=[dict(type='MaskedConsistency', block_size=32, mask_ratio=0.7)]
)
