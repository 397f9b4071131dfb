"""Multi-Dis against plain PyTorch, with one, two and three targets."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from several_targets import NAMES, bce, information, optimizers, several
from tiny_models import (
    NUM_CLASSES,
    batch,
    logits_of,
    model_config,
    optim_config,
)

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

WEIGHTS = dict(decode=0.1, aux=0.02)


def build(count, **kwargs):
    torch.manual_seed(0)
    config = model_config(
        'MultiDis',
        targets=NAMES[:count],
        adversarial_weights=WEIGHTS,
        discriminator=dict(
            type='MultiLevelDiscriminator',
            levels=['decode', 'aux'],
            in_channels=NUM_CLASSES,
            base_channels=4,
        ),
        **kwargs,
    )
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def weighted(losses):
    return sum(WEIGHTS[head] * loss for head, loss in losses.items())


def reference(model, data, count):
    """Losses of the segmentor and of each discriminator (MTAF, 3.2)."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    y, names = data.source.labels, NAMES[:count]
    part = dict(model.named_children())
    logits = {
        name: logits_of(model.segmentor, images) for name, images in x.items()
    }
    maps = {n: information(logits[n], x[n].shape[2:]) for n in logits}
    total = 0
    for head, weight in (('decode', 1.0), ('aux', 0.1)):
        up = F.interpolate(
            logits['source'][head],
            x['source'].shape[2:],
            mode='bilinear',
            align_corners=True,
        )
        total += weight * F.cross_entropy(up, y)
    still = {
        n: {h: m.detach() for h, m in heads.items()}
        for n, heads in maps.items()
    }
    judged = {}
    for i, name in enumerate(names):
        own = part[f'discriminator_source_{name}']
        total += weighted(bce(own(maps[name]), 0.0))
        judged[f'source_{name}'] = 0.5 * (
            sum(bce(own(still['source']), 0.0).values())
            + sum(bce(own(still[name]), 1.0).values())
        )
        if count == 2:
            pair = part['discriminator_targets']
            total += weighted(bce(pair(maps[name]), 1.0 - i))
        if count > 2:
            for other in set(names) - {name}:
                judge = part[f'discriminator_targets_{other}']
                total += weighted(bce(judge(maps[name]), 0.0)) / (count - 1)
    if count == 2:
        judged['targets'] = 0.5 * sum(
            sum(bce(pair(still[name]), float(i)).values())
            for i, name in enumerate(names)
        )
    if count > 2:
        for name in names:
            judge = part[f'discriminator_targets_{name}']
            judged[f'targets_{name}'] = 0.5 * sum(
                bce(judge(still[name]), 0.0).values()
            ) + sum(
                0.5 / (count - 1) * sum(bce(judge(still[o]), 1.0).values())
                for o in set(names) - {name}
            )
    return total, judged


@pytest.mark.parametrize('count', [1, 2, 3])
def test_losses_are_those_of_the_paper(count):
    model = build(count)
    expected, judged = reference(copy.deepcopy(model), several(count), count)
    logs = model.train_step(several(count), optimizers(model))
    torch.testing.assert_close(logs['loss.segmentor'], expected.detach())
    for name, loss in judged.items():
        torch.testing.assert_close(
            logs[f'loss.discriminator_{name}'], loss.detach()
        )


@pytest.mark.parametrize('count', [2, 3])
def test_one_step_of_gradient_descent(count):
    model = build(count)
    reference_model = copy.deepcopy(model)
    total, judged = reference(reference_model, several(count), count)
    trained = {
        n: p for n, p in reference_model.named_parameters() if p.requires_grad
    }
    segmentor = {n: p for n, p in trained.items() if n.startswith('segm')}
    gradients = dict(
        zip(
            segmentor,
            torch.autograd.grad(total, segmentor.values(), retain_graph=True),
            strict=True,
        )
    )
    for name, loss in judged.items():
        own = {
            n: p
            for n, p in trained.items()
            if n.startswith(f'discriminator_{name}.')
        }
        found = torch.autograd.grad(loss, own.values(), retain_graph=True)
        gradients |= dict(zip(own, found, strict=True))
    model.train_step(several(count), optimizers(model))
    assert gradients.keys() == trained.keys()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(
                parameter, trained[name] - 0.01 * gradients[name]
            )


@pytest.mark.parametrize(
    ('count', 'names'),
    [
        (1, ['source_rome']),
        (2, ['source_rome', 'source_oslo', 'targets']),
        (
            3,
            [
                *(f'source_{name}' for name in NAMES),
                *(f'targets_{name}' for name in NAMES),
            ],
        ),
    ],
)
def test_discriminators(count, names):
    found = [name for name, _ in build(count).named_children()]
    expected = [f'discriminator_{name}' for name in names]
    assert [name for name in found if name[:3] == 'dis'] == expected


def test_each_discriminator_has_an_optimizer_of_its_own():
    model = build(2)
    players = set(dict(optimizers(model).items()))
    assert players == {
        'segmentor',
        'discriminator_source_rome',
        'discriminator_source_oslo',
        'discriminator_targets',
    }


def test_one_target_equals_advent():
    torch.manual_seed(0)
    advent = MODELS.build(model_config('AdvEnt'))
    advent.init_weights()
    multi = build(1)
    multi.segmentor.load_state_dict(advent.segmentor.state_dict())
    multi.discriminator_source_rome.load_state_dict(
        advent.discriminator.state_dict()
    )
    wrappers = build_optim_wrapper(advent.train(), optim_config('AdvEnt'))
    logs = advent.train_step(batch(), wrappers)
    found = multi.train_step(several(1), optimizers(multi))
    assert found['loss.segmentor'] == logs['loss.segmentor']
    assert (
        found['loss.discriminator_source_rome'] == logs['loss.discriminator']
    )


def test_other_targets_in_the_data_are_refused():
    model = build(2)
    with pytest.raises(ConfigError, match=r"model.targets is \['rome', 'oslo"):
        model.train_step(several(3), optimizers(model))


def test_targets_named_twice_are_refused(monkeypatch):
    monkeypatch.setattr(f'{__name__}.NAMES', ['rome', 'rome'])
    with pytest.raises(ConfigError, match='names a target twice'):
        build(2)
