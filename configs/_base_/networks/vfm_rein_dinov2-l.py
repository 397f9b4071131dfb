# DINOv2's ViT-L as it is, refined by the tokens of Rein (CVPR 2024), under the
# head of vfm_dinov2-b.py; Rein's own head, Mask2Former, computes its loss by
# itself, which methods of adaptation can't weight. Checkpoints hold tokens and
# head alone.
_base_ = './vfm_dinov2-l.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            _delete_=True,
            type='ReinBackbone',
            vit=_base_.network.segmentor.backbone,
            num_tokens=100,
            rank=16,
        ),
    ),
)
