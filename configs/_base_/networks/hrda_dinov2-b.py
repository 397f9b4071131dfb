# HRDA (ECCV 2022) around DINOv2's ViT-B and the light head of VFM-UDA. At 14 /
# 16 of the size patches of 14 pixels give features of stride 16, and the head
# logits of stride 4, as HRDA needs them of context and detail alike. Nothing
# like it is published.
_base_ = './vfm_dinov2-b.py'
network = dict(
    segmentor=dict(
        type='HRDAEncoderDecoder',
        backbone=dict(input_scale=14 / 16),
        context_scale=0.5,
        detail_crop_size=(512, 512),
        # stride 16 of the features / context_scale
        crop_multiple=32,
        detail_loss_weight=0.1,
        attention_head=dict(
            type='VFMHead', in_channels=768, in_index=0, align_corners=False
        ),
    ),
)
