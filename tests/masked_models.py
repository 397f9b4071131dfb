"""Hosts of masked consistency, and what they learn in plain PyTorch."""

import copy

import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from mmengine.optim import build_optim_wrapper
from tiny_models import (
    batch,
    logits_of,
    model_config,
    segmentor_config,
)

from mmuda.registry import MODELS

LR = 0.1
SIZE = (33, 49)
# Of four images; rounded down, a side of 33 holds four blocks of 8.
BLOCKS = torch.rand(4, 1, 4, 6, generator=torch.Generator().manual_seed(3))


def draw_blocks(count, *_):
    """Blocks of the images of this process."""
    return BLOCKS[get_rank() :: get_world_size()][:count]


def build(method='MinEnt', terms=None, teacher=False, **term):
    """A host whose teacher is not sure of all, and whose blocks are given."""
    torch.manual_seed(0)
    options = dict(block_size=8, augmentation=False) | term
    model = MODELS.build(
        model_config(
            method,
            terms=terms or [dict(type='MaskedConsistency', **options)],
            teacher=teacher,
            segmentor=segmentor_config(norm_eval=True),
        )
    )
    for _, child in sorted(model.named_children(), reverse=True):
        torch.manual_seed(1)
        for weight in child.parameters():
            if weight.dim() == 4:
                torch.nn.init.kaiming_normal_(weight, a=1)
    for weight in model.teacher.parameters():
        weight.data *= 0.9
    model.teacher.decode_head.conv_seg.weight.data *= 100
    for each in model.terms:
        each.draw_blocks = draw_blocks
    return model.double().train()


def data_of(count=2, seed=0, target_size=SIZE):
    return batch(count, seed, SIZE, target_size)


def domains_of(model, data):
    return model.data_preprocessor(copy.deepcopy(data), True)


def step(model, data=None, **wrapper):
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=LR))
    sgd |= wrapper
    config = dict(constructor='MultiOptimWrapperConstructor', segmentor=sgd)
    if hasattr(getattr(model, 'module', model), 'discriminator'):
        config['discriminator'] = sgd
    wrappers = build_optim_wrapper(model, config)
    return model.train_step(data_of() if data is None else data, wrappers)


def upsampled(logits, size=SIZE):
    return F.interpolate(logits, size, mode='bilinear', align_corners=True)


def labelled(model, images, threshold):
    """Labels of the teacher and their weight, in plain torch."""
    with torch.no_grad():
        p = upsampled(logits_of(model.teacher, images)['decode']).softmax(1)
    confidence, labels = p.max(dim=1)
    weight = 1.0
    if threshold is not None:
        weight = (confidence >= threshold).double().mean().item()
        assert 0.1 < weight < 0.9
    return labels, torch.full(labels.shape, weight, dtype=torch.float64)


def masked(images, ratio=0.7):
    kept = (BLOCKS[: len(images)] > ratio).double()
    return images * F.interpolate(kept, SIZE, mode='nearest')


def losses_on(model, images, labels, weights):
    """Weighted cross entropies of both heads, in plain torch."""
    losses = {}
    logits = logits_of(model.segmentor, images)
    for head, factor in (('decode', 1.0), ('aux', 0.1)):
        pixels = F.cross_entropy(
            upsampled(logits[head]), labels, reduction='none', ignore_index=255
        )
        losses[f'target.masked.{head}.loss_ce'] = (
            factor * (weights * pixels).sum() / (labels != 255).sum()
        )
    return losses
