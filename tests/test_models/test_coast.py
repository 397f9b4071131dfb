"""CoaST against plain PyTorch, with one, two and three targets."""

import copy

import pytest
import torch
import torch.nn.functional as F
from several_targets import (
    NAMES,
    multi_head_config,
    optimizers,
    softly_labelled,
)
from tiny_models import NUM_CLASSES, model_config

from mmuda.models.segmentors import View
from mmuda.models.style import ChannelStatistics
from mmuda.models.uda.coast import StyleMemory
from mmuda.models.uda.collaborative_self_training import Phase
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError

LAYERS = ('layer1', 'layer2')


def build(count, layers=LAYERS, **kwargs):
    torch.manual_seed(0)
    options = dict(
        segmentor=multi_head_config(count, style_layers=layers),
        targets=NAMES[:count],
        gamma=0.7,
        style_weight=0.5,
        distillation_weight=2.0,
    )
    model = MODELS.build(model_config('CoaST', **options | kwargs))
    model.init_weights()
    return model.train()


def divergence(teacher, student):
    teacher, student = teacher.log_softmax(1), student.log_softmax(1)
    return (teacher.exp() * (teacher - student)).sum(1)


def cross_entropy(logits, labels, weights):
    kept = labels != 255
    losses = F.cross_entropy(
        logits, labels, reduction='none', ignore_index=255
    )
    return (weights * losses).sum() / kept.sum()


def reference(model, data, count):
    """Losses of one iteration (CoaST, stage 1), styles being known."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in data.domains.items()}
    y, names = data.source.labels, NAMES[:count]
    net, totals = model.segmentor, {}
    heads = (*(f'{name}.decode' for name in names), 'decode')
    totals['source'] = sum(
        F.cross_entropy(resized(z, x['source'].shape[2:]), y)
        for z in net(View(x['source'], heads)).logits.values()
    )
    for name in names:
        images = x[name]
        size = (images.shape[2] // 4, images.shape[3] // 4)
        z = net(View(images, (f'{name}.decode', 'decode'))).logits
        own = resized(z[f'{name}.decode'], size)
        soft = read_labels(data.targets[name].samples, size)
        labels = torch.where(soft.sum(1) > 0, soft.argmax(1), 255)
        kept = labels != 255
        styled = []
        for other in names:
            if other == name:
                continue
            style = remembered(model, other, len(images))
            mean, std = (v[..., None, None] for v in style[0])
            mu = images.mean((2, 3), keepdim=True)
            sigma = (images.var((2, 3), keepdim=True) + 1e-5).sqrt()
            swapped = (images - mu) / sigma * std + mean
            view = View(swapped, (f'{other}.decode',), style[1:])
            styled.append(resized(*net(view).logits.values(), size))
        gaps = [divergence(own.detach(), s) for s in styled]
        w = torch.ones(labels.shape)
        if gaps:
            w = sum((-0.7 * g.detach()).exp() for g in gaps) / len(gaps)
        loss = cross_entropy(own, labels, w)
        for s, g in zip(styled, gaps, strict=True):
            part = cross_entropy(s, labels, w) + g[kept].sum() / kept.sum()
            loss = loss + 0.5 / (count - 1) * part
        taught = divergence(own.detach(), resized(z['decode'], size)).mean()
        totals[name] = loss + 2.0 / NUM_CLASSES / count * taught
    return totals


def resized(logits, size):
    return F.interpolate(logits, size, mode='bilinear', align_corners=True)


def read_labels(samples, size):
    """Soft labels as the published code reads them, where there are some."""
    soft = torch.stack([s.pseudo_soft_seg.data.float() for s in samples])
    share = resized((soft.sum(1, keepdim=True) > 0).float(), size)
    soft = resized(soft, size)
    return torch.where(share < 0.5, 0, soft / soft.sum(1, keepdim=True))


BATCHES = [{}, dict(seed=3, target_size=(40, 64)), dict(seed=5, count=2)]


@pytest.mark.parametrize('batch', BATCHES)
@pytest.mark.parametrize('count', [1, 2, 3])
def test_losses_are_those_of_the_paper(count, batch):
    model = build(count)
    data = softly_labelled(count, **batch)
    # The second iteration knows all styles.
    model.train_step(data, optimizers(model, lr=0.0))
    expected = sum(reference(copy.deepcopy(model), data, count).values())
    logs = model.train_step(data, optimizers(model))
    torch.testing.assert_close(logs['loss.segmentor'], expected.detach())


def test_one_step_of_gradient_descent():
    model = build(2)
    model.train_step(softly_labelled(2), optimizers(model, lr=0.0))
    copied = copy.deepcopy(model)
    total = sum(reference(copied, softly_labelled(2), 2).values())
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


def test_the_first_target_has_no_other_style_in_the_first_iteration():
    model = build(2)
    logs = model.train_step(softly_labelled(2), optimizers(model))
    assert 'rome.loss_style' not in logs
    assert 'oslo.loss_style' in logs


def remembered(model, name, images=1):
    return model.style_memory.recall(name, images, torch.device('cpu'))


def test_the_style_is_that_of_the_plain_images():
    model = build(2)
    data = softly_labelled(2)
    prepared = model.data_preprocessor(copy.deepcopy(data), True)
    x = prepared.targets['rome'].images
    model.train_step(data, optimizers(model, lr=0.0))
    before = remembered(model, 'rome')
    torch.testing.assert_close(before[0].mean, x.mean((2, 3)))
    model.train_step(softly_labelled(2), optimizers(model, lr=0.0))
    after = remembered(model, 'rome')
    # Passes in other styles and of the source came in between.
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(old.mean, new.mean)


def statistics(images):
    mean, variance = images.mean((2, 3)), images.var((2, 3))
    return mean, (variance + 1e-5).sqrt()


def published_memory(net, x, names, iterations):
    """Styles of images and of features, of which more is recorded."""
    of_images, of_features, current = {}, {}, None
    heads = tuple(f'{name}.decode' for name in names)
    for _ in range(iterations):
        if current is not None:
            of_features[current] = net(View(x['source'], heads)).style
        for current in names:
            images = x[current]
            of_images[current] = mean, std = statistics(images)
            plain = (images - mean[..., None, None]) / std[..., None, None]
            of_features[current] = net(View(images, heads)).style
            for other in names:
                if other == current or other not in of_images:
                    continue
                mean, std = of_images[other]
                shown = plain * std[..., None, None] + mean[..., None, None]
                view = View(shown, (f'{other}.decode',), of_features[other])
                of_features[current] = net(view).style
    return of_images, of_features


@pytest.mark.parametrize('iterations', [1, 2, 3])
@pytest.mark.parametrize('count', [2, 3])
@pytest.mark.parametrize('images', [1, 2])
def test_the_published_memory(images, count, iterations):
    model = build(count, freeze_style=False)
    data = softly_labelled(count, images, seed=count)
    prepared = model.data_preprocessor(copy.deepcopy(data), True)
    x = {name: part.images for name, part in prepared.domains.items()}
    names = NAMES[:count]
    expected = published_memory(
        copy.deepcopy(model.segmentor), x, names, iterations
    )
    for _ in range(iterations):
        model.train_step(data, optimizers(model, lr=0.0))
    for name in names:
        found = remembered(model, name, images)
        torch.testing.assert_close(tuple(found[0]), expected[0][name])
        assert len(found) == 1 + len(expected[1][name])
        for ours, theirs in zip(found[1:], expected[1][name], strict=True):
            torch.testing.assert_close(tuple(ours), tuple(theirs))


def test_the_published_memory_goes_on_after_a_checkpoint():
    """The source comes first, and is remembered with the images' styles."""
    data, models = softly_labelled(2), [build(2, freeze_style=False)]
    models[0].train_step(data, optimizers(models[0], lr=0.0))
    models.append(build(2, freeze_style=False))
    models[1].load_state_dict(models[0].state_dict())
    for model in models:
        model.train_step(data, optimizers(model, lr=0.0))
    first, second = (m.style_memory.get_extra_state() for m in models)
    assert torch.equal(first, second)


def test_all_blocks_of_the_style_layers_are_remembered():
    model = build(2)
    model.train_step(softly_labelled(2), optimizers(model))
    widths = [part.mean.shape[1] for part in remembered(model, 'rome')]
    assert widths == [3, 8, 8, 16, 16]


def test_other_styles_can_wait():
    model = build(2)
    model.phase = Phase(transfers_style=False)
    for _ in range(2):
        logs = model.train_step(softly_labelled(2), optimizers(model))
    assert not any('loss_style' in name for name in logs)


def test_without_rectification_all_pixels_count_alike():
    model = build(2)
    model.phase = Phase(rectifies=False)
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    weights = model.rectified([torch.rand(1, 2, 2)], labels)
    assert torch.equal(weights, torch.ones(1, 2, 2))


def test_teachers_do_not_learn_from_distillation():
    model = build(1)
    data = model.data_preprocessor(softly_labelled(1), True)
    losses = model.losses_on_target(data.targets['rome'])
    losses['rome.loss_distillation'].backward()
    head = model.segmentor.target_heads['rome']['decode']
    assert all(p.grad is None for p in head.parameters())
    assert model.segmentor.decode_head.conv_seg.weight.grad is not None


def test_a_style_survives_a_checkpoint():
    model = build(2)
    model.train_step(softly_labelled(2), optimizers(model))
    other = build(2)
    other.load_state_dict(model.state_dict())
    # What channels belong to which layer is known after a pass.
    other.style_memory._sizes = model.style_memory._sizes
    for a, b in zip(
        remembered(model, 'oslo'), remembered(other, 'oslo'), strict=True
    ):
        assert torch.equal(torch.cat(a), torch.cat(b))


def test_a_style_that_overflowed_is_continued_as_it_is():
    model, other = build(2), build(2)
    model.train_step(softly_labelled(2), optimizers(model))
    model.style_memory._rows['rome'][0, 0] = torch.nan
    other.style_memory.set_extra_state(model.style_memory.get_extra_state())
    assert set(other.style_memory._rows) == {'rome', 'oslo'}


def test_styles_of_batches_of_unlike_sizes_survive_a_checkpoint():
    model, other = build(2), build(2)
    rows = dict(rome=torch.rand(3, 4), oslo=torch.rand(1, 4))
    model.style_memory._rows = rows
    other.style_memory.set_extra_state(model.style_memory.get_extra_state())
    found = other.style_memory._rows
    assert all(torch.equal(found[name], rows[name]) for name in rows)


def test_a_style_that_is_not_known_stays_so():
    model, other = build(2), build(2)
    model.train_step(softly_labelled(2), optimizers(model))
    del model.style_memory._rows['rome']
    other.style_memory.set_extra_state(model.style_memory.get_extra_state())
    assert set(other.style_memory._rows) == {'oslo'}


def test_samples_without_soft_labels_are_refused():
    model = build(1)
    data = softly_labelled(1)
    del data['data_samples']['rome'][0].pseudo_soft_seg
    with pytest.raises(DataError, match='LoadSoftPseudoLabels'):
        model.train_step(data, optimizers(model))


def test_a_segmentor_without_style_layers_is_refused():
    with pytest.raises(ConfigError, match='style_layers is empty'):
        build(2, layers=())


def test_unknown_style_layers_are_refused():
    with pytest.raises(ConfigError, match="DeepLabResNet has no 'stage1'"):
        build(2, layers=('stage1',))


def of(*means):
    """Statistics of one channel, one number for each sample."""
    values = torch.tensor(means).reshape(-1, 1)
    return ChannelStatistics(values, values + 0.5)


def test_features_of_no_target_are_not_remembered():
    memory = StyleMemory(NAMES[:2])
    memory.keep_features('rome', (of(1.0), of(2.0)))
    assert memory.recall('rome', 1, torch.device('cpu')) == ()


@pytest.mark.parametrize(
    ('features', 'images'),
    [([7.0], [1.0]), ([7.0, 8.0], [1.0, 2.0]), ([7.0, 8.0, 9.0], [1, 2, 1])],
)
def test_other_features_leave_the_images_styles(features, images):
    """Also of a batch of another size."""
    memory = StyleMemory(NAMES[:2])
    memory.keep('rome', (of(1.0, 2.0), of(3.0, 4.0)))
    memory.keep_features('rome', (of(*features),))
    found = memory.recall('rome', len(features), torch.device('cpu'))
    assert [part.mean.flatten().tolist() for part in found] == [
        images,
        features,
    ]
    assert torch.equal(found[1].std, found[1].mean + 0.5)
