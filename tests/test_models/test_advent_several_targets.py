"""AdvEnt's one discriminator of the source and several targets."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from several_targets import NAMES, bce, information, several
from tiny_models import batch, logits_of, model_config, optim_config

from mmuda.registry import MODELS

BATCHES = [
    {},
    dict(seed=3, source_size=(40, 64), target_size=(64, 48)),
    dict(seed=5, count=2),
]


def build():
    torch.manual_seed(0)
    model = MODELS.build(model_config('AdvEnt'))
    model.init_weights()
    return model.train()


def judged(model, data, names):
    """The discriminator's losses by domain, unweighted."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    losses = {}
    for label, domains in ((0.0, ['source']), (1.0, names)):
        for name in domains:
            with torch.no_grad():
                logits = logits_of(model.segmentor, x[name])
            maps = information(logits, x[name].shape[2:])
            losses[name] = sum(bce(model.discriminator(maps), label).values())
    return losses


def step(model, data):
    return model.train_step(
        data, build_optim_wrapper(model, optim_config('AdvEnt'))
    )


@pytest.mark.parametrize('images', BATCHES)
@pytest.mark.parametrize('count', [1, 2, 3])
def test_source_and_all_targets_weigh_alike(count, images):
    model, names = build(), NAMES[:count]
    data = several(count, **images)
    losses = judged(copy.deepcopy(model), data, names)
    expected = 0.5 * losses['source'] + 0.5 / count * sum(
        losses[name] for name in names
    )
    found = step(model, data)
    torch.testing.assert_close(found['loss.discriminator'], expected.detach())


@pytest.mark.parametrize('count', [2, 3])
def test_the_published_direction(count):
    """Published code judges the source once with each target, by halves.

    That is T times the loss here, which Adam's steps hardly feel.
    """
    model, names = build(), NAMES[:count]
    data = several(count)
    losses = judged(copy.deepcopy(model), data, names)
    published = sum(
        0.5 * losses['source'] + 0.5 * losses[name] for name in names
    )
    found = step(model, data)
    torch.testing.assert_close(
        count * found['loss.discriminator'], published.detach()
    )


def test_a_target_shown_twice_counts_once():
    """Two targets of the same images are one target."""
    once, twice = build(), build()
    data = batch()
    double = copy.deepcopy(data)
    for values in double.values():
        values['again'] = copy.deepcopy(values['target'])
    expected = step(once, data)['loss.discriminator']
    found = step(twice, double)['loss.discriminator']
    torch.testing.assert_close(found, expected)


def test_each_target_is_named_in_the_log():
    logs = step(build(), several(2))
    halves = [
        logs[f'discriminator.decode.loss_{name}'] for name in ('rome', 'oslo')
    ]
    # A discriminator that knows nothing has ln 2, shared by the two.
    assert sum(halves).item() == pytest.approx(0.3466, abs=0.02)
