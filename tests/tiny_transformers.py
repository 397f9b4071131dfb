"""Segmentors on transformers of a few thousand parameters."""

import torch
from tiny_models import NUM_CLASSES, model_config

from mmuda.registry import MODELS

ARCH = dict(embed_dims=24, num_layers=3, num_heads=2)


def vit_config(file=None, **kwargs):
    """A transformer of 3 blocks, from a file if one is given."""
    config = dict(type='DINOVisionTransformer', arch=ARCH, pretrain_size=56)
    config |= kwargs
    if file is not None:
        init = dict(type='Pretrained', checkpoint=str(file))
        config |= dict(init_cfg=init)
    return config


def rein_config(file=None, input_scale=1, **kwargs):
    """The same, frozen, with 5 tokens a block."""
    vit = vit_config(file, input_scale=input_scale)
    tokens = dict(num_tokens=5, rank=2) | kwargs
    return dict(type='ReinBackbone', vit=vit, **tokens)


def transformer_segmentor(backbone=None):
    """A transformer with the head of VFM-UDA."""
    return dict(
        type='UDAEncoderDecoder',
        backbone=backbone or vit_config(),
        decode_head=dict(
            type='VFMHead', in_channels=24, num_classes=NUM_CLASSES
        ),
        test_cfg=dict(mode='whole'),
    )


def transformer_model(
    method='MinEnt', backbone=None, seed=0, initialised=True, **kwargs
):
    """A method around it, in training."""
    torch.manual_seed(seed)
    own = dict(segmentor=transformer_segmentor(backbone)) | kwargs
    config = model_config(method, two_heads=False, **own)
    model = MODELS.build(config)
    if initialised:
        model.init_weights()
    return model.train()


def transformer_file(path, seed=1):
    """Random weights of the transformer, as the hub has them."""
    torch.manual_seed(seed)
    network = MODELS.build(vit_config())
    for value in network.parameters():
        value.data = 0.1 * torch.randn(value.shape)
    torch.save(network.state_dict(), path)
    return path
