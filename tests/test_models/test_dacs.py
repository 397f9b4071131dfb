"""DACS against the method written out in plain PyTorch."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from dacs_models import (
    build,
    mixable,
    optimizers,
    train,
)
from test_mixed_precision import BF16, SCALED
from tiny_models import batch, logits_of, sample

from mmuda.models.augmentation import StrongAugmentation
from mmuda.models.batch import Batch
from mmuda.models.terms import Term
from mmuda.registry import HOOKS, MODELS
from mmuda.utils.errors import ConfigError

WEIGHTS = dict(decode=1.0, aux=0.1)
MEAN = STD = 127.5


def cross_entropy(model, logits, labels, weights):
    """Mean over all pixels, those that are ignored included."""
    full = model.upsample(logits, labels[:, None])
    losses = F.cross_entropy(full, labels, ignore_index=255, reduction='none')
    return (losses * weights).mean()


def mixed_by_hand(model, source, target, weights, labels):
    """Images, labels and weights of ``ChosenDACS``, pixel by pixel."""
    draws = model.draw_augmentation(len(target.images))
    chosen = model.draw_classes(source.labels)
    images = target.images.clone()
    labels, weights = labels.clone(), weights.clone()
    for number, label in enumerate(source.labels):
        for class_id in range(256):
            if chosen[number, class_id]:
                pasted = label == class_id
                images[number][:, pasted] = source.images[number][:, pasted]
                labels[number][pasted] = class_id
                weights[number][pasted] = 1
    if draws is not None:
        images = StrongAugmentation.apply(images, draws, MEAN, STD)
    return images, labels, weights


def step_by_hand(model, data, rows=(0, 0), labelled=False):
    """Gradients of an iteration in plain PyTorch; returns q."""
    found: Batch = model.data_preprocessor(data, True)
    source, target = found.source, found.targets['target']
    with torch.no_grad():
        logits = model.upsample(model.teacher(target.images), target.images)
    confidence, labels = logits.softmax(dim=1).max(dim=1)
    q = (confidence >= model.threshold).float().mean()
    weights = torch.full_like(confidence, q)
    weights[:, : rows[0]] = 0
    weights[:, weights.shape[1] - rows[1] :] = 0
    factor = 1.0
    if labelled:
        factor = 1 / (source.labels != 255).float().mean()
    images, labels, weights = mixed_by_hand(
        model, source, target, weights, labels
    )
    ones = torch.full_like(weights, factor)
    parts = (
        (source.images, source.labels, ones),
        (images, labels, weights),
    )
    for seen, truth, factors in parts:
        logits = logits_of(model.segmentor, seen)
        sum(
            weight * cross_entropy(model, logits[head], truth, factors)
            for head, weight in WEIGHTS.items()
        ).backward()
    return q


@pytest.mark.parametrize(
    ('options', 'rows', 'labelled'),
    [
        ({}, (0, 0), False),
        (dict(augmentation=False), (0, 0), False),
        (dict(ignored_rows=dict(top=3, bottom=5)), (3, 5), False),
        (dict(ignored_rows=dict(bottom=5)), (0, 5), False),
        (dict(source_mean='labelled'), (0, 0), True),
    ],
)
def test_one_iteration_equals_plain_pytorch(options, rows, labelled):
    ours = build('ChosenDACS', **options)
    reference = build('ChosenDACS', **options)
    (logs,) = train(ours, [mixable()])
    q = step_by_hand(reference, mixable(), rows, labelled)
    assert 0.05 < q < 0.95
    assert logs['target.pseudo_label_weight'].item() == pytest.approx(q.item())
    optimizers(reference)['segmentor'].step()
    for (name, value), expected in zip(
        ours.state_dict().items(),
        reference.state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(
            value, expected, rtol=1e-4, atol=1e-6, msg=name
        )
    before = build('ChosenDACS').segmentor.decode_head.conv_seg.weight
    moved = ours.segmentor.decode_head.conv_seg.weight - before
    assert moved.norm() > 1e-3


def test_weights_are_one_without_a_threshold():
    with_q, without = build('ChosenDACS'), build('ChosenDACS', threshold=None)
    (first,), (second,) = (train(m, [mixable()]) for m in (with_q, without))
    assert second['target.pseudo_label_weight'] == 1
    name = 'target.mix.decode.loss_ce'
    assert first[name] < second[name]


def test_the_log_names_passes_and_shares():
    model = build('ChosenDACS')
    (logs,) = train(model, [mixable()])
    found: Batch = model.data_preprocessor(mixable(), True)
    chosen = model.draw_classes(found.source.labels)
    pasted = chosen.gather(1, found.source.labels.flatten(1))
    assert logs['target.mixed_share'].item() == pytest.approx(
        pasted.float().mean().item()
    )
    names = {
        f'{part}.{head}.{kind}'
        for part in ('source', 'target.mix')
        for head in WEIGHTS
        for kind in ('loss_ce', 'acc_seg')
    }
    assert set(logs) == names | {
        'loss.segmentor',
        'target.pseudo_label_weight',
        'target.mixed_share',
    }


def test_teacher_counts_its_own_statistics_only():
    model = build()
    name = 'backbone.bn1.running_mean'
    before = model.teacher.state_dict()[name].clone()
    train(model, [mixable()])
    found: Batch = build().data_preprocessor(mixable(), True)
    expected = build().segmentor
    expected(found.targets['target'].images)
    after = model.teacher.state_dict()[name]
    assert torch.equal(after, expected.state_dict()[name])
    assert not torch.equal(after, before)
    assert not torch.equal(after, model.segmentor.state_dict()[name])


@pytest.mark.parametrize(
    ('teacher', 'expected'),
    [
        (True, dict(momentum=0.999, buffers='keep')),
        (dict(momentum=0.99, begin=1), dict(momentum=0.99, buffers='keep')),
        (dict(mode='eval'), dict(momentum=0.999)),
        (dict(mode='eval', buffers='ema'), dict(buffers='ema')),
    ],
)
def test_teacher_is_the_published_one_but_for_what_is_said(teacher, expected):
    model = build(teacher=teacher)
    (hook,) = model.needed_hooks
    assert hook.items() >= dict(type='MeanTeacherHook', **expected).items()
    given = {} if teacher is True else teacher
    mode = given.get('mode', 'own_statistics')
    assert model.followers['teacher'].mode == mode


@MODELS.register_module()
class WeightOfLabels(Term):
    """Logs what it finds of the method's pseudo-labels."""

    allows_padding = True

    def extra(self, model, batch):
        for name, target in batch.pseudo_labelled.items():
            assert target.name == name
            assert torch.equal(target.images, batch.targets[name].images)
            yield (
                'segmentor',
                {
                    'loss_nothing': 0 * model.segmentor(target.images).sum(),
                    f'{name}.found': target.weights.mean(),
                },
            )


def test_terms_find_the_pseudo_labels():
    model = build(terms=[dict(type='WeightOfLabels')])
    (logs,) = train(model, [mixable()])
    torch.testing.assert_close(
        logs['target.found'], logs['target.pseudo_label_weight']
    )


def test_a_warm_up_sees_the_source_alone():
    model = build(warmup_iters=1)
    (logs,) = train(model, [mixable()])
    assert {name.split('.')[0] for name in logs} == {'loss', 'source'}


def several(count=2):
    data = mixable(count)
    for key, more in mixable(count, seed=1).items():
        data[key]['rain'] = more['target']
    return data


def test_each_target_is_mixed_on_its_own():
    model = build('ChosenDACS')
    (logs,) = train(model, [several()])
    for name, seed in (('target', 0), ('rain', 1)):
        alone = train(build('ChosenDACS'), [mixable(seed=seed)])[0]
        key = 'pseudo_label_weight'
        torch.testing.assert_close(
            logs[f'{name}.{key}'], alone[f'target.{key}']
        )
    shares = {
        logs[f'{n}.mix.decode.loss_ce'].item() for n in ('target', 'rain')
    }
    assert len(shares) == 2


# Images of unequal size


def uneven():
    sizes = [(48, 96), (40, 48)]
    generator = torch.Generator().manual_seed(0)
    pairs = {
        domain: [sample(size, generator, domain == 'source') for size in sizes]
        for domain in ('source', 'target')
    }
    return {
        key: {d: [pair[i] for pair in both] for d, both in pairs.items()}
        for i, key in enumerate(('inputs', 'data_samples'))
    }


def test_padding_is_not_learned():
    model = build(augmentation=False)
    found: Batch = model.data_preprocessor(uneven(), True)
    inside = found.source.valid
    assert not inside.all()
    steps = model.training_step(found)
    next(steps)
    next(steps)
    labelled = found.pseudo_labelled['target']
    assert (labelled.labels[~inside] == 255).all()
    everything = torch.ones(2, 256, dtype=torch.bool)
    model.draw_classes = lambda labels: everything
    mixed, pasted = model.mix(found.source, labelled)
    assert torch.equal(pasted, inside)
    assert (mixed.weights[~inside] == 0).all()
    assert (mixed.labels[~inside] == 255).all()


# Precision and accumulation


def state_of(model):
    return {
        k: v
        for k, v in model.state_dict().items()
        if v.dtype.is_floating_point
    }


def test_scaled_losses_give_the_same_weights():
    plain, scaled = build('ChosenDACS'), build('ChosenDACS')
    data = [mixable(seed=seed) for seed in range(2)]
    train(plain, data)
    train(scaled, data, **SCALED)
    torch.testing.assert_close(
        state_of(plain), state_of(scaled), rtol=1e-4, atol=1e-5
    )


def test_bfloat16_losses_stay_near_those_of_single_precision():
    (plain,) = train(build('ChosenDACS'), [mixable()])
    (half,) = train(build('ChosenDACS'), [mixable()], **BF16)
    for name, value in plain.items():
        if 'loss' in name or 'weight' in name:
            assert half[name].dtype == torch.float32
            assert half[name].item() == pytest.approx(value.item(), rel=0.1), (
                name
            )


def test_accumulated_steps_equal_the_mean_of_their_gradients():
    model = build('ChosenDACS')
    data = [mixable(seed=seed) for seed in range(2)]
    before = model.segmentor.decode_head.conv_seg.weight.clone()
    plain = dict(optimizer=dict(type='SGD', lr=1.0), paramwise_cfg=None)
    train(model, data, accumulative_counts=2, **plain)
    moved = model.segmentor.decode_head.conv_seg.weight - before
    gradients = []
    for one in data:
        reference = build('ChosenDACS')
        step_by_hand(reference, one)
        gradients.append(reference.segmentor.decode_head.conv_seg.weight.grad)
    torch.testing.assert_close(
        -moved, sum(gradients) / 2, rtol=1e-3, atol=1e-5
    )


# What is refused


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(teacher=False), r'model\.teacher: DACS needs its teacher'),
        (dict(threshold=1.5), r'model\.threshold must be a number from 0'),
        (dict(classes_of='all'), r'model\.classes_of must be one of'),
        (dict(source_mean='some'), r'model\.source_mean must be one of'),
        (
            dict(augmentation=dict(strenght=0.1)),
            r"there is no 'strenght' \(did you mean 'strength'\?\)",
        ),
        (dict(augmentation=dict(strength=2)), r'augmentation\.strength=2'),
        (dict(ignored_rows=dict(left=3)), r'ignored_rows=.* must be dict\('),
        (dict(ignored_rows=dict(top=-1)), r'ignored_rows\.top=-1'),
        (dict(ignored_rows=15), r'ignored_rows=15 must be dict\('),
        (
            dict(teacher=dict(buffers='copy')),
            r"mode='own_statistics' does not go with buffers='copy'",
        ),
        (
            dict(source_mean='labelled', network=dict(over_all=False)),
            r"needs avg_non_ignore=False of the losses of head 'decode'",
        ),
        (
            dict(terms=[dict(type='Entropy', weights=dict(decode=0.1))]),
            "Entropy needs 'on_target', which DACS does not have",
        ),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


def without_one_source_image():
    data = mixable()
    for part in data.values():
        part['source'] = part['source'][:1]
    return data


def with_region():
    model = build(ignored_rows=dict(top=1))
    found: Batch = model.data_preprocessor(mixable(), True)
    target = found.targets['target']
    region = torch.ones_like(target.images[:, 0], dtype=torch.bool)
    found.targets['target'] = replace(target, region=region)
    return model, found


@pytest.mark.parametrize(
    ('data', 'options', 'message'),
    [
        (without_one_source_image(), {}, '1 of the source and 2 of .target.'),
        (batch(2), {}, 'must have one size, not 49x33, 41x33'),
        (
            mixable(),
            dict(ignored_rows=dict(top=20, bottom=13)),
            'leaves nothing of the images of .target., which have 33 rows',
        ),
    ],
)
def test_batches_that_can_not_be_mixed_are_refused(data, options, message):
    with pytest.raises(ConfigError, match=message):
        train(build(**options), [data])


def test_rows_and_margins_at_once_are_refused():
    model, found = with_region()
    with pytest.raises(ConfigError, match='leave one of them out'):
        next(model.training_step(found))


def test_teacher_of_dacs_itself_is_averaged_after_the_step():
    """After iteration i by 1 - 1 / (i + 1), so that it starts as a copy."""
    model = build(teacher=dict(momentum=0.99, begin=1))
    hook = HOOKS.build(model.needed_hooks[0])
    found = [hook.momentum_after(i + 1) for i in range(200)]
    expected = [min(1 - 1 / (i + 1), 0.99) for i in range(200)]
    assert found == pytest.approx(expected, abs=1e-15)
