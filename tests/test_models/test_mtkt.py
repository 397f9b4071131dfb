"""MTKT against plain PyTorch, with two and three targets."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from several_targets import NAMES, bce, information, optimizers, several
from tiny_models import NUM_CLASSES, logits_of, model_config, segmentor_config

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import kl_divergence
from mmuda.models.segmentors import Prediction
from mmuda.models.uda.collaborative_self_training import Phase
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

ADVERSARIAL = dict(decode=0.1, aux=0.02)
DIVERGENCE = dict(decode=0.5, aux=0.05)


def build(count, distils=True, predict_head='decode', **kwargs):
    torch.manual_seed(0)
    segmentor = segmentor_config() | dict(
        type='MultiHeadEncoderDecoder',
        targets=NAMES[:count],
        predict_head=predict_head,
    )
    options = dict(
        segmentor=segmentor,
        targets=NAMES[:count],
        adversarial_weights=ADVERSARIAL,
        divergence_weights=DIVERGENCE,
        discriminator=dict(
            type='MultiLevelDiscriminator',
            levels=['decode', 'aux'],
            in_channels=NUM_CLASSES,
            base_channels=4,
        ),
    )
    model = MODELS.build(model_config('MTKT', **options | kwargs))
    model.init_weights()
    model.phase = Phase(distils=distils)
    return model.train()


def resized(logits, images):
    return F.interpolate(
        logits, images.shape[2:], mode='bilinear', align_corners=True
    )


def reference(model, data, count, teaches=True):
    """Losses of the segmentor and of each discriminator (MTAF, 3.3)."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    y, names = data.source.labels, NAMES[:count]
    part = dict(model.named_children())
    z = {
        name: logits_of(model.segmentor, images) for name, images in x.items()
    }
    total, judged = 0, {}
    for name in names:
        own = {
            d: {h: z[d][f'{name}.{h}'] for h in ADVERSARIAL}
            for d in ('source', name)
        }
        maps = {d: information(own[d], x[d].shape[2:]) for d in own}
        still = {
            d: {h: m.detach() for h, m in heads.items()}
            for d, heads in maps.items()
        }
        judge = part[f'discriminator_{name}']
        for head, weight in (('decode', 1.0), ('aux', 0.1)):
            up = resized(own['source'][head], x['source'])
            total += weight * F.cross_entropy(up, y)
        fooled = bce(judge(maps[name]), 0.0)
        total += sum(ADVERSARIAL[h] * loss for h, loss in fooled.items())
        for head, weight in DIVERGENCE.items() if teaches else ():
            teacher = resized(own[name][head].detach(), x[name])
            student = resized(z[name][head], x[name])
            # Its mean over pixels and classes, as in the published code.
            divergence = F.kl_div(
                student.log_softmax(1), teacher.softmax(1), reduction='none'
            ).mean()
            total += weight * NUM_CLASSES * divergence
        judged[name] = 0.5 * (
            sum(bce(judge(still['source']), 0.0).values())
            + sum(bce(judge(still[name]), 1.0).values())
        )
    return total, judged


BATCHES = [
    {},
    dict(seed=3, source_size=(40, 64), target_size=(64, 48)),
    dict(seed=5, count=2),
]


@pytest.mark.parametrize('batch', BATCHES)
@pytest.mark.parametrize('count', [2, 3])
@pytest.mark.parametrize('teaches', [True, False])
def test_losses_are_those_of_the_paper(count, teaches, batch):
    model = build(count, distils=teaches)
    data = several(count, **batch)
    expected, judged = reference(copy.deepcopy(model), data, count, teaches)
    logs = model.train_step(data, optimizers(model))
    torch.testing.assert_close(logs['loss.segmentor'], expected.detach())
    for name, loss in judged.items():
        torch.testing.assert_close(
            logs[f'loss.discriminator_{name}'], loss.detach()
        )


def fooled(judge, target, level):
    """A loss of Rome's maps, and what it is by a target's judge."""
    model = build(3, auxiliary_judge=judge)
    maps = {h: torch.rand(1, NUM_CLASSES, 32, 64) for h in ADVERSARIAL}
    found = model.adversarial_losses('rome', maps)[f'{level}.loss_adversarial']
    decisions = dict(model.named_children())[f'discriminator_{target}'](maps)
    return found, ADVERSARIAL[level] * bce(decisions, 0.0)[level]


def test_own_auxiliary_judge():
    torch.testing.assert_close(*fooled('own', 'rome', 'aux'))


def test_auxiliary_judge_of_the_last_target():
    torch.testing.assert_close(*fooled('last', NAMES[2], 'aux'))


def test_main_judge_is_always_the_own_one():
    torch.testing.assert_close(*fooled('last', 'rome', 'decode'))


def test_unknown_auxiliary_judge():
    with pytest.raises(ConfigError, match='auxiliary_judge must be one of'):
        build(2, auxiliary_judge='first')


@pytest.mark.parametrize('batch', BATCHES)
@pytest.mark.parametrize('count', [2, 3])
def test_three_steps_of_gradient_descent(count, batch):
    # Like published training, on images of several sizes and seeds.
    model = build(count).double()
    copied = copy.deepcopy(model)
    start = copy.deepcopy(dict(copied.named_parameters()))
    wrappers = optimizers(model)
    for step in range(3):
        data = several(count, **batch | dict(seed=step))
        total, judged = reference(copied, data, count)
        _descend(copied.segmentor, total)
        for name, loss in judged.items():
            _descend(getattr(copied, f'discriminator_{name}'), loss)
        model.train_step(data, wrappers)
    expected = dict(copied.named_parameters())
    for name, found in model.named_parameters():
        movement = (expected[name] - start[name]).abs().max()
        error = (found - expected[name]).abs().max()
        assert error <= 1e-8 * movement, name


def _descend(network, loss):
    trained = [p for p in network.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, trained, retain_graph=True)
    with torch.no_grad():
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter -= 0.01 * gradient


def test_the_divergence_is_taken_between_the_networks_pixels_too():
    """Two sure pixels and, in the image, one between them."""
    model = build(2, divergence_weights=dict(decode=1.0))
    teacher = torch.zeros(1, NUM_CLASSES, 1, 2)
    teacher[0, 0, 0, 0] = teacher[0, 1, 0, 1] = 60
    images = torch.zeros(1, 3, 1, 3)
    logits = {'decode': torch.zeros_like(teacher), 'rome.decode': teacher}
    full = {head: resized(values, images) for head, values in logits.items()}
    found = model.loss_of_students(
        Prediction(logits), full, DomainBatch(images, name='rome')
    )
    # The one in the middle is of two classes alike, not of one.
    expected = math.log(NUM_CLASSES) - math.log(2) / 3
    assert found['decode.loss_divergence'].item() == pytest.approx(expected)


def test_the_agnostic_head_rests_before_it_is_taught():
    model = build(2, distils=False)
    wrappers = optimizers(model)
    before = copy.deepcopy(model.segmentor.decode_head.state_dict())
    model.train_step(several(2), wrappers)
    after = model.segmentor.decode_head.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    model.phase = Phase(distils=True)
    model.train_step(several(2), wrappers)
    after = model.segmentor.decode_head.state_dict()
    assert not all(torch.equal(before[name], after[name]) for name in before)


def test_teachers_do_not_learn_from_the_divergence():
    model = build(2, adversarial_weights=dict(decode=0.0, aux=0.0))
    head = model.segmentor.target_heads['rome']['decode']
    data = model.data_preprocessor(several(2), True)
    losses = model.losses_on(data.targets['rome'], {})
    losses['rome.decode.loss_divergence'].backward()
    assert all(p.grad is None for p in head.parameters())
    assert model.segmentor.decode_head.conv_seg.weight.grad is not None


@pytest.mark.parametrize('head', ['decode', 'oslo.decode'])
def test_the_chosen_head_predicts(head):
    model = build(2, predict_head=head).eval()
    images = torch.randn(1, 3, 33, 41)
    with torch.no_grad():
        expected = F.interpolate(
            logits_of(model.segmentor, images)[head],
            (33, 41),
            mode='bilinear',
            align_corners=True,
        )
        meta = dict(img_shape=(33, 41), ori_shape=(33, 41))
        actual = model.encode_decode(images, [meta])
    torch.testing.assert_close(actual, expected)


def test_divergence_of_equal_predictions_is_zero():
    logits = torch.randn(2, 5, 3, 4)
    assert kl_divergence(logits, logits + 3).abs() < 1e-6


def test_divergence_of_two_classes():
    teacher = torch.log(torch.tensor([0.75, 0.25])).view(1, 2, 1, 1)
    student = torch.zeros(1, 2, 1, 1)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(teacher, student).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(targets=['rome', 'lima']), r"model.segmentor.targets \['rome'"),
        (dict(divergence_weights=dict(main=1)), "no head 'main'"),
        (dict(predict_head='rome.aux'), "no 'rome.aux'"),
    ],
)
def test_heads_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(2, **options)


def test_each_part_has_an_optimizer():
    wrappers = dict(optimizers(build(2)).items())
    assert set(wrappers) == {
        'segmentor',
        'discriminator_rome',
        'discriminator_oslo',
    }


def test_the_agnostic_head_must_learn_something():
    with pytest.raises(ConfigError, match="positive weight of 'decode'"):
        build(2, divergence_weights=dict(aux=1.0))


@pytest.mark.parametrize(
    ('domain', 'head'),
    [('source', 'rome.decode'), ('oslo', 'oslo.decode')],
)
def test_pictures_show_a_head_that_has_learned(domain, head):
    assert build(2, distils=False).preview_head(domain) == head
    assert build(2).preview_head(domain) is None
