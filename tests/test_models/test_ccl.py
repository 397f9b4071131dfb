"""CCL against plain PyTorch, with one, two and three targets."""

import copy

import collaborative_models
import pytest
import torch
import torch.nn.functional as F
from several_targets import NAMES, bce, information, optimizers, several
from test_mlcl import colored
from tiny_models import NUM_CLASSES, logits_of, model_config, segmentor_config

from mmuda.models.losses import weight_distance
from mmuda.models.uda.collaborative_self_training import Phase
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError

ADVERSARIAL = dict(decode=0.1, aux=0.02)
FACTORS = dict(decode=1.0, aux=0.1)


def build(count, **kwargs):
    torch.manual_seed(0)
    options = dict(
        segmentor=segmentor_config(),
        targets=NAMES[:count],
        adversarial_weights=ADVERSARIAL,
        consistency_weights=dict(decode=0.3),
        distillation_weights=dict(decode=0.5, aux=0.05),
        regularization_weight=0.2,
        discriminator=dict(
            type='MultiLevelDiscriminator',
            levels=['decode', 'aux'],
            in_channels=NUM_CLASSES,
            base_channels=4,
        ),
    )
    model = MODELS.build(model_config('CCL', **options | kwargs))
    model.init_weights()
    for shift, name in enumerate(NAMES[:count]):
        with torch.no_grad():
            for parameter in model.expert(name).parameters():
                parameter.add_(0.01 * (shift + 1))
    return model.train()


def divergence(teacher, student):
    teacher, student = teacher.detach().log_softmax(1), student.log_softmax(1)
    return (teacher.exp() * (teacher - student)).sum(1).mean()


def distance(network, other):
    """Half the squared distance of all trained weights."""
    return 0.5 * sum(
        ((a - b.detach()) ** 2).sum()
        for a, b in zip(network.parameters(), other.parameters(), strict=True)
        if a.requires_grad
    )


def reference(model, data, count):
    """Loss of each player."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    y, names = data.source.labels, NAMES[:count]
    size = x['source'].shape[2:]
    experts = {name: model.expert(name) for name in names}
    z, totals = {}, {}
    student = 0
    for name, expert in experts.items():
        source = logits_of(expert, colored(x['source'], x[name]))
        loss = 0.2 * distance(expert, model.segmentor)
        for head, factor in FACTORS.items():
            up = F.interpolate(
                source[head], size, mode='bilinear', align_corners=True
            )
            loss = loss + factor * F.cross_entropy(up, y)
        z[name] = logits_of(expert, x[name])
        judge = getattr(model, f'discriminator_{name}')
        maps = information(z[name], x[name].shape[2:])
        for head, fooled in bce(judge(maps), 0.0).items():
            loss = loss + ADVERSARIAL[head] * fooled
        totals[f'expert_{name}'] = loss
        still = {h: m.detach() for h, m in maps.items()}
        old = {h: m.detach() for h, m in information(source, size).items()}
        totals[f'discriminator_{name}'] = 0.5 * (
            sum(bce(judge(old), 0.0).values())
            + sum(bce(judge(still), 1.0).values())
        )
    for name in names:
        for other in names:
            if other != name:
                seen = logits_of(experts[other], colored(x[name], x[other]))
                totals[f'expert_{other}'] += 0.3 * divergence(
                    z[name]['decode'], seen['decode']
                )
        own = logits_of(model.segmentor, x[name])
        for head, weight in (('decode', 0.5), ('aux', 0.05)):
            student = student + weight * divergence(z[name][head], own[head])
        student = student + 0.2 * distance(model.segmentor, experts[name])
    return totals | {'segmentor': student}


@pytest.mark.parametrize('count', [1, 2, 3])
def test_losses_of_all_players(count):
    model = build(count)
    expected = reference(copy.deepcopy(model), several(count), count)
    logs = model.train_step(several(count), optimizers(model))
    found = {k[5:]: v for k, v in logs.items() if k.startswith('loss.')}
    assert set(found) == set(expected)
    for player, loss in expected.items():
        torch.testing.assert_close(found[player], loss.detach())


@pytest.mark.parametrize('player', ['segmentor', 'expert_rome', 'expert_oslo'])
def test_one_step_of_gradient_descent(player):
    model = build(2)
    copied = copy.deepcopy(model)
    total = reference(copied, several(2), 2)[player]
    trained = {
        name: parameter
        for name, parameter in getattr(copied, player).named_parameters()
        if parameter.requires_grad
    }
    gradients = torch.autograd.grad(total, trained.values())
    model.train_step(several(2), optimizers(model))
    found = dict(getattr(model, player).named_parameters())
    for (name, before), gradient in zip(
        trained.items(), gradients, strict=True
    ):
        torch.testing.assert_close(found[name], before - 0.01 * gradient)


def test_experts_start_as_the_student():
    model = collaborative_models.build('CCL')
    a, b = model.segmentor.state_dict(), model.expert('oslo').state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_checkpoint_without_experts_fills_them():
    model = build(2)
    plain = {
        f'segmentor.{k}': v for k, v in model.segmentor.state_dict().items()
    }
    model.load_state_dict(plain, strict=False)
    a, b = model.segmentor.state_dict(), model.expert('rome').state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_expert_that_does_not_fit_is_refused():
    model = build(2)
    state = model.state_dict()
    del state['expert_oslo.decode_head.conv_seg.bias']
    with pytest.raises(CheckpointError, match='expert_oslo'):
        model.load_state_dict(state)


def test_the_student_rests_before_distillation():
    model = build(2)
    model.phase = Phase(distils=False)
    before = copy.deepcopy(model.segmentor.state_dict())
    logs = model.train_step(several(2), optimizers(model))
    assert 'loss.segmentor' not in logs
    after = model.segmentor.decode_head.state_dict()
    assert all(
        torch.equal(before[f'decode_head.{n}'], after[n]) for n in after
    )


def test_the_student_predicts():
    model = build(2).eval()
    assert model.predictor is model.segmentor


@pytest.mark.parametrize(('norm', 'expected'), [(1, 3.0), (2, 2.5)])
def test_distance_of_weights(norm, expected):
    a, b = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        a.weight.copy_(torch.tensor([[1.0, 2.0]]))
        b.weight.copy_(torch.tensor([[2.0, 0.0]]))
    assert weight_distance(a, b, norm).item() == expected


def test_an_unknown_norm_is_refused():
    with pytest.raises(
        ConfigError, match='regularization_norm must be 1 or 2'
    ):
        build(2, regularization_norm=3)


def test_unknown_heads_are_refused():
    with pytest.raises(ConfigError, match="consistency_weights.*'main'"):
        build(2, consistency_weights=dict(main=1.0))


@pytest.mark.parametrize('weights', [{}, dict(aux=1.0), dict(decode=0.0)])
def test_the_student_must_learn_something(weights):
    with pytest.raises(ConfigError, match="positive weight of 'decode'"):
        build(2, distillation_weights=weights)


def test_colors_wait_for_their_phase():
    model = build(2)
    model.phase = Phase(transfers_style=False)
    data = model.data_preprocessor(several(2), True)
    rome, oslo = data.targets.values()
    assert model.in_colors_of(rome.images, oslo) is rome.images
