# MIC (CVPR 2023) on AdvEnt. The term brings a teacher (0.999).
_base_ = './advent.py'
method = dict(
    terms=[dict(type='MaskedConsistency', block_size=32, mask_ratio=0.7)]
)
