# MIC (CVPR 2023) on MinEnt. The term brings a teacher (0.999).
_base_ = './minent.py'
method = dict(
    terms=[dict(type='MaskedConsistency', block_size=32, mask_ratio=0.7)]
)
