"""MLCL against plain PyTorch, with one, two and three targets."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from several_targets import (
    NAMES,
    multi_head_config,
    optimizers,
    softly_labelled,
)
from test_coast import (
    BATCHES,
    cross_entropy,
    divergence,
    read_labels,
    resized,
)
from tiny_models import NUM_CLASSES, model_config

from mmuda.color.lab import transfer_colors
from mmuda.models.batch import DomainBatch
from mmuda.models.losses import class_entropy_mask
from mmuda.models.segmentors import View
from mmuda.models.uda.collaborative_self_training import Phase
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def build(count, ensemble=True, **kwargs):
    torch.manual_seed(0)
    options = dict(
        segmentor=multi_head_config(count, ensemble=ensemble),
        targets=NAMES[:count],
        gamma=0.7,
        collaborative_weight=0.5,
        ensemble_weight=0.3,
        distillation_weight=2.0,
        entropy_floor=0.3,
    )
    model = MODELS.build(model_config('MLCL', **options | kwargs))
    model.init_weights()
    return model.train()


def colored(content, style):
    """Colours of normalised images; pixels are BGR / 127.5 - 1."""
    rgb = [((x + 1) * 127.5).flip(1) for x in (content, style)]
    return transfer_colors(*rgb).flip(1) / 127.5 - 1


def ensemble(net, images):
    features = [net.extract_feat(x) for x in images]
    return net.ensemble_head([torch.cat(f, 1) for f in zip(*features)])  # noqa: B905


def reference(model, data, count, slots='fixed'):
    """Losses of one iteration (MLCL, section on training)."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    y, names = data.source.labels, NAMES[:count]
    net, head = model.segmentor, model.segmentor.heads()
    size = x['source'].shape[2:]
    shown = [colored(x['source'], x[name]) for name in names]
    z = [head['decode'](net.extract_feat(x['source'])), ensemble(net, shown)]
    for name, images in zip(names, shown, strict=True):
        z.append(head[f'{name}.decode'](net.extract_feat(images)))
    total = sum(F.cross_entropy(resized(v, size), y) for v in z)
    for i, name in enumerate(names):
        images = x[name]
        size = (images.shape[2] // 4, images.shape[3] // 4)
        soft = read_labels(data.targets[name].samples, size)
        labels = class_entropy_mask(soft, 0.5, 0.3)
        shown = {
            n: images if n == name else colored(images, x[n]) for n in names
        }
        z = {
            n: resized(head[f'{n}.decode'](net.extract_feat(v)), size)
            for n, v in shown.items()
        }
        agnostic = resized(head['decode'](net.extract_feat(images)), size)
        order = list(shown.values())
        if slots == 'own_first':
            order.insert(0, order.pop(i))
        joint = resized(ensemble(net, order), size)
        own, others = z[name], [v for n, v in z.items() if n != name]
        w = torch.ones(labels.shape)
        if others:
            w = sum((-0.7 * divergence(own, v)).exp() for v in others)
            w = (w / len(others)).detach()
        total = total + cross_entropy(own, labels, w)
        total = total + 0.3 * cross_entropy(joint, labels, w)
        for v in others:
            total = total + 0.5 / len(others) * cross_entropy(v, labels, w)
        taught = divergence(own.detach(), agnostic).mean()
        taught = taught + divergence(joint.detach(), own).mean()
        total = total + 2.0 / NUM_CLASSES / count * taught
    return total


@pytest.mark.parametrize('slots', ['fixed', 'own_first'])
@pytest.mark.parametrize('count', [1, 2, 3])
@pytest.mark.parametrize('batch', BATCHES)
def test_losses_are_those_of_the_paper(count, slots, batch):
    model = build(count, ensemble_slots=slots)
    data = softly_labelled(count, **batch)
    expected = reference(copy.deepcopy(model), data, count, slots)
    logs = model.train_step(data, optimizers(model))
    torch.testing.assert_close(logs['loss.segmentor'], expected.detach())


def test_one_step_of_gradient_descent():
    model = build(2)
    copied = copy.deepcopy(model)
    total = reference(copied, softly_labelled(2), 2)
    trained = {
        n: p for n, p in copied.segmentor.named_parameters() if p.requires_grad
    }
    gradients = torch.autograd.grad(total, trained.values())
    model.train_step(softly_labelled(2), optimizers(model))
    found = dict(model.segmentor.named_parameters())
    for (name, before), gradient in zip(
        trained.items(), gradients, strict=True
    ):
        torch.testing.assert_close(found[name], before - 0.01 * gradient)


def test_order_of_slots_matters():
    data = softly_labelled(2)
    fixed, own_first = (
        reference(build(2), data, 2, slots) for slots in ('fixed', 'own_first')
    )
    assert not torch.equal(fixed, own_first)


def distilled():
    model = build(2)
    data = model.data_preprocessor(softly_labelled(2), True)
    losses = model.losses_of_target(data, 'oslo')
    return model.segmentor, losses


def test_the_ensemble_does_not_learn_from_distillation():
    segmentor, losses = distilled()
    losses['loss_distillation'].backward()
    assert segmentor.ensemble_head.conv_seg.weight.grad is None


def test_the_own_head_learns_from_the_ensemble():
    segmentor, losses = distilled()
    losses['loss_distillation'].backward()
    head = segmentor.target_heads['oslo']['decode']
    assert head.conv_seg.weight.grad.abs().sum() > 0


def test_the_ensemble_learns_from_pseudo_labels():
    segmentor, losses = distilled()
    losses['loss_ensemble'].backward()
    assert segmentor.ensemble_head.conv_seg.weight.grad.abs().sum() > 0


def test_nothing_is_distilled_before_it_begins():
    model = build(2)
    model.phase = Phase(distils=False)
    logs = model.train_step(softly_labelled(2), optimizers(model))
    assert not any('distillation' in name for name in logs)


def test_colors_come_from_the_weakly_augmented_image():
    model = build(2)
    data = model.data_preprocessor(softly_labelled(2), True)
    rome, oslo = data.targets.values()
    weak = torch.randint(0, 256, oslo.images.shape[1:]).to(torch.uint8)
    oslo.samples[0].weak_image = PixelData(data=weak)
    expected = colored(rome.images, weak[None] / 127.5 - 1)
    found = model.in_colors_of(rome.images, oslo)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('weak', [True, False])
def test_augmented_references_are_of_targets_only(weak):
    """Rome's images in Oslo's colours, by what Oslo's image was before."""
    model = build(2, weak_references=weak)
    data = softly_labelled(2)
    for name in NAMES[:2]:
        image = torch.randint(0, 256, data['inputs'][name][0].shape)
        sample = data['data_samples'][name][0]
        sample.weak_image = PixelData(data=image.to(torch.uint8))
    data = model.data_preprocessor(data, True)
    rome, oslo = data.targets.values()
    before = oslo.samples[0].weak_image.data[None] / 127.5 - 1
    style = before if weak else oslo.images
    views = model.views_in_all_colors(data, 'rome')
    logits = model.segmentor(views).logits
    shown = colored(rome.images, style)
    expected = model.segmentor(View(shown, ('oslo.decode',))).logits
    torch.testing.assert_close(logits['oslo.decode'], expected['oslo.decode'])


def test_colors_wait_for_their_phase():
    model = build(2)
    model.phase = Phase(transfers_style=False)
    images = torch.rand(1, 3, 8, 8)
    assert model.in_colors_of(images, DomainBatch(images)) is images


def test_agreement_is_counted():
    model = build(2)
    model.train_step(softly_labelled(2), optimizers(model))
    counts = model.agreement.pop()
    heads = {'decode', 'ensemble', 'rome.decode', 'oslo.decode'}
    expected = {('rome', h) for h in heads - {'rome.decode'}}
    expected |= {('oslo', h) for h in heads - {'oslo.decode'}}
    assert set(counts) == expected
    # 8 x 10 pixels at a quarter of 33 x 41
    assert counts['rome', 'decode'][0].sum() == 80


def test_a_segmentor_without_an_ensemble_head_is_refused():
    with pytest.raises(ConfigError, match='ensemble=True'):
        build(2, ensemble=False)


def test_unknown_slots_are_refused():
    with pytest.raises(ConfigError, match='ensemble_slots must be one of'):
        build(2, ensemble_slots='random')


def test_view_of_an_unknown_head_is_an_error():
    with pytest.raises(KeyError):
        build(2).segmentor(View(torch.rand(1, 3, 33, 33), ('paris.decode',)))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(entropy_quantile=5), 'entropy_quantile .* from 0 to 1, not 5'),
        (dict(entropy_floor=-3), 'entropy_floor .* at least 0, not -3'),
        (dict(ensemble_weight=-1), 'ensemble_weight .* not -1'),
        (dict(collaborative_weight='1'), "not '1'"),
        (dict(distillation_weight=-1), 'distillation_weight .* not -1'),
        (dict(gamma=-1), 'gamma .* not -1'),
        (dict(pseudo_label_weight=-1), 'pseudo_label_weight .* not -1'),
        (dict(pseudo_label_weight=math.nan), 'pseudo_label_weight .* not nan'),
        (dict(pseudo_label_weight=math.inf), 'pseudo_label_weight .* not inf'),
        (dict(pseudo_label_weight='4'), "pseudo_label_weight .* not '4'"),
        (dict(loss_stride=0), 'loss_stride .* at least 1, not 0'),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(2, **options)
