"""HRDA around small networks of several kinds."""

import copy

import torch
from tiny_models import NUM_CLASSES, model_config

from mmuda.registry import MODELS

DETAIL, IMAGE = (32, 48), (64, 96)
_RESNET = dict(
    type='ResNetV1c',
    depth=18,
    base_channels=8,
    stem_channels=8,
    num_stages=4,
    out_indices=(0, 3),
    strides=(1, 2, 1, 1),
    dilations=(1, 1, 2, 4),
    norm_cfg=dict(type='BN'),
)
_MIT = dict(
    type='MixVisionTransformer',
    embed_dims=4,
    num_heads=(1, 2, 3, 4),
    num_layers=(1, 1, 1, 1),
    drop_path_rate=0.3,
)
_LOSS = dict(type='CrossEntropyLoss', avg_non_ignore=False)
_HEAD = dict(num_classes=NUM_CLASSES, align_corners=False, loss_decode=_LOSS)
_MIT_HEAD = dict(
    in_channels=[4, 8, 12, 16],
    in_index=(0, 1, 2, 3),
    channels=8,
    norm_cfg=dict(type='BN'),
)
# Backbone, head, and what is different of the head of the attention.
NETWORKS = {
    'FCNHead': (
        dict(_RESNET, strides=(1, 1, 1, 1)),
        dict(in_channels=64, in_index=1, channels=8, dropout_ratio=0.5),
        dict(num_convs=1, kernel_size=1, concat_input=False),
    ),
    'DLV2Head': (_RESNET, dict(in_channels=64, in_index=1), {}),
    'SegformerHead': (_MIT, _MIT_HEAD, dict(dropout_ratio=0)),
}


def hrda_config(head='SegformerHead', **changes):
    """Details of 32x48 pixels; all but the type of the head is as given."""
    backbone, decode, attention = copy.deepcopy(NETWORKS[head])
    decode = copy.deepcopy(_HEAD) | dict(type=head) | decode
    stride = 8 if head == 'DLV2Head' else 4
    config = dict(
        type='HRDAEncoderDecoder',
        backbone=backbone,
        decode_head=decode,
        attention_head=decode | attention,
        detail_crop_size=DETAIL,
        crop_multiple=2 * stride,
    )
    return config | changes


def build(head='SegformerHead', method=None, seed=0, terms=(), **changes):
    """A segmentor with classifiers that differ, or a method on one."""
    config = hrda_config(head, **changes)
    torch.manual_seed(seed)
    if method:
        options = dict(segmentor=config, terms=terms)
        if method == 'AdvEnt':
            options |= dict(
                adversarial_weights=dict(decode=0.1),
                discriminator=dict(
                    type='MultiLevelDiscriminator',
                    levels=['decode'],
                    in_channels=NUM_CLASSES,
                    base_channels=4,
                ),
            )
        if method == 'MinEnt':
            options |= dict(entropy_weights=dict(decode=0.1))
        model = MODELS.build(model_config(method, **options))
    else:
        model = MODELS.build(config)
    model.init_weights()
    return model.train()


def images_of(count=2, size=IMAGE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, *size, generator=generator)


def labels_of(count=2, size=IMAGE, seed=0):
    """A fifth of the pixels is ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(
        0, NUM_CLASSES + 1, (count, *size), generator=generator
    )
    return labels.where(labels < NUM_CLASSES, 255)
