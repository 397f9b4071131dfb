"""VFM-UDA in two gloo processes against one, and in half precision."""

import gloo
import pytest
import torch
from dacs_models import mixable, optimizers, train
from mmengine.dist import get_rank
from test_mixed_precision import BF16
from tiny_transformers import (
    rein_config,
    transformer_model,
    transformer_segmentor,
    vit_config,
)

from mmuda.models import UDADistributedDataParallel
from mmuda.models.backbones import DINOVisionTransformer
from mmuda.registry import MODELS
from mmuda.utils.setup_env import register_all_modules


@MODELS.register_module()
class ChosenTokens(DINOVisionTransformer):
    """The same tokens of each image are masked."""

    def draw_uniform(self, shape):
        """Every second number is low."""
        return (torch.arange(shape[1]) % 2).expand(tuple(shape))


BACKBONES = dict(
    vit=vit_config(type='ChosenTokens'),
    registers=vit_config(type='ChosenTokens', num_registers=2),
    rein=rein_config(),
)
BACKBONES['rein']['vit']['type'] = 'ChosenTokens'
TOKENS = dict(type='MaskedConsistency', block_size='token', augmentation=False)


def build(backbone='vit', method='ChosenDACS'):
    register_all_modules()
    segmentor = transformer_segmentor(BACKBONES[backbone])
    loss = dict(type='CrossEntropyLoss', avg_non_ignore=False)
    segmentor['decode_head']['loss_decode'] = loss
    return transformer_model(
        method,
        segmentor=segmentor,
        terms=[TOKENS],
        threshold=None,
        flip_average=True,
        source_mean='labelled',
    )


def part(data, rank):
    return {
        key: {domain: [items[rank]] for domain, items in value.items()}
        for key, value in data.items()
    }


def batches():
    data = [mixable(seed=seed) for seed in range(2)]
    data[0]['data_samples']['source'][1].gt_sem_seg.data[:, :20] = 255
    return data


def train_rank(backbone, method, wrapper):
    model = build(backbone, method)
    wrapped = UDADistributedDataParallel(model)
    own = [part(data, get_rank()) for data in batches()]
    logs = train(wrapped, own, **wrapper)
    return model.state_dict(), logs


@pytest.mark.parametrize('backbone', BACKBONES)
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, backbone):
    # Small steps: large ones let rounding grow.
    slow = dict(optimizer=dict(type='SGD', lr=1e-3))
    results = gloo.run(train_rank, tmp_path, backbone, 'ChosenDACS', slow)
    (state, logs), (other, _) = results
    model = build(backbone)
    expected = train(model, batches(), **slow)
    for name, value in model.state_dict().items():
        assert state[name].equal(other[name]), name
        torch.testing.assert_close(
            state[name], value, rtol=0, atol=1e-6, msg=name
        )
    for found, one in zip(logs, expected, strict=True):
        assert 'target.masked.decode.loss_ce' in one
        for key, value in one.items():
            torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)


def test_processes_with_masks_of_their_own_stay_equal(tmp_path):
    first, second = gloo.run(train_rank, tmp_path, 'vit', 'DACS', BF16)
    for name, value in first[0].items():
        assert value.equal(second[0][name]), name


@pytest.mark.parametrize('backbone', BACKBONES)
def test_half_precision_is_near(backbone):
    plain, half = (
        train(build(backbone), batches()[:1], **wrapper)[0]
        for wrapper in ({}, BF16)
    )
    assert plain.keys() == half.keys()
    for name, value in plain.items():
        if 'loss' in name:
            torch.testing.assert_close(half[name], value, rtol=0.02, atol=0.02)


def test_accumulated_gradients_are_those_of_both_batches():
    """No parameter moves before the second of two batches."""
    model = build()
    before = {n: p.clone() for n, p in model.segmentor.named_parameters()}
    wrappers = optimizers(model, accumulative_counts=2)
    wrappers.initialize_count_status(model, 0, 2)
    first, second = batches()
    model.train_step(first, wrappers)
    named = dict(model.segmentor.named_parameters())
    assert all(p.equal(before[n]) for n, p in named.items())
    model.train_step(second, wrappers)
    assert not any(p.equal(before[n]) for n, p in named.items())
