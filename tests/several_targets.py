"""Batches and plain-PyTorch pieces for methods with several targets."""

import math

import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from tiny_models import NUM_CLASSES, batch, segmentor_config

NAMES = ['rome', 'oslo', 'lima']


def several(targets, count=1, seed=0, **sizes):
    """A batch of the source and as many targets, ``count`` images of each."""
    data = batch(count, seed, **sizes)
    for key, values in data.items():
        target = values.pop('target')
        for shift, name in enumerate(NAMES[:targets]):
            other = batch(count, seed + shift, **sizes)[key]['target']
            values[name] = other if shift else target
    return data


def softly_labelled(targets, count=1, seed=0, **sizes):
    """As ``several``, with soft labels; the top left corner has none."""
    data = several(targets, count, seed, **sizes)
    generator = torch.Generator().manual_seed(7 + seed)
    for name in NAMES[:targets]:
        for sample in data['data_samples'][name]:
            size = (NUM_CLASSES, *sample.img_shape)
            soft = (4 * torch.randn(size, generator=generator)).softmax(0)
            soft[:, :8, :8] = 0
            sample.pseudo_soft_seg = PixelData(data=soft.half())
    return data


def multi_head_config(targets, **options):
    """The tiny segmentor with one head for each target."""
    return segmentor_config(two_heads=False) | dict(
        type='MultiHeadEncoderDecoder', targets=NAMES[:targets], **options
    )


def optimizers(model, lr=0.01, **options):
    """Gradient descent for all parts, plain by default."""
    optimizer = dict(type='SGD', lr=lr, **options)
    sgd = dict(type='OptimWrapper', optimizer=optimizer)
    config = dict(
        constructor='MultiOptimWrapperConstructor',
        segmentor=dict(sgd),
    )
    for entry in ('discriminator', 'expert'):
        children = getattr(model, 'module', model).named_children()
        if any(name.startswith(entry) for name, _ in children):
            config[entry] = dict(sgd)
    return build_optim_wrapper(model, config)


def information(logits, size):
    """Self-information maps of logits by head."""
    maps = {}
    for head, values in logits.items():
        values = F.interpolate(
            values, size, mode='bilinear', align_corners=True
        )
        p = values.softmax(1)
        maps[head] = -p * p.log() / math.log(NUM_CLASSES)
    return maps


def bce(decisions, label):
    """Binary cross entropy with one label by head."""
    return {
        head: F.binary_cross_entropy_with_logits(
            decision, torch.full_like(decision, label)
        )
        for head, decision in decisions.items()
    }
