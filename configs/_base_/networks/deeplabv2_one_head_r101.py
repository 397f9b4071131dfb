# The network of deeplabv2_r101.py with its main head alone.
_base_ = './deeplabv2_r101.py'
network = dict(
    segmentor=dict(
        backbone=dict(out_indices=(3,)),
        decode_head=dict(in_index=0),
        auxiliary_head=None,
    )
)
