# The DeepLab-V2 variant of Co-Training (Sensors 2023): the network of
# deeplabv2_r101.py with its main head alone and the loss of
# cotraining_deeplabv3plus_r101.py. Its ImageNet weights are ADVENT's; the
# published variant starts from torchvision's.
_base_ = './deeplabv2_r101.py'
model = dict(
    segmentor=dict(
        backbone=dict(out_indices=(3,)),
        decode_head=dict(
            in_index=0,
            loss_decode=dict(
                _delete_=True, type='HardPixelCrossEntropyLoss', portion=0.2
            ),
        ),
        auxiliary_head=None,
    )
)
