"""Batches and plain-PyTorch pieces for methods with several targets."""

import math

import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from tiny_models import NUM_CLASSES, batch

NAMES = ['rome', 'oslo', 'lima']


def several(count):
    """A batch of the source and as many targets."""
    data = batch()
    for key, values in data.items():
        target = values.pop('target')
        for seed, name in enumerate(NAMES[:count]):
            values[name] = batch(seed=seed)[key]['target'] if seed else target
    return data


def optimizers(model, lr=0.01):
    """Plain gradient descent for all parts."""
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr))
    config = dict(
        constructor='MultiOptimWrapperConstructor',
        segmentor=dict(sgd),
        discriminator=dict(sgd),
    )
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
