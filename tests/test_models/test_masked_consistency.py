"""MIC's masked consistency on any host, against plain PyTorch."""

import copy
from dataclasses import replace

import gloo
import pytest
import torch
import torch.nn.functional as F
from masked_models import (
    LR,
    SIZE,
    build,
    data_of,
    domains_of,
    labelled,
    losses_on,
    masked,
    step,
    upsampled,
)
from mmengine.dist import get_rank
from tiny_models import batch, logits_of, model_config

from mmuda.models import UDADistributedDataParallel
from mmuda.models.online_labels import label_online
from mmuda.models.terms import Term
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

HOSTS = ['AdvEnt', 'MinEnt', 'SourceOnly']


@pytest.mark.parametrize('method', HOSTS)
@pytest.mark.parametrize('threshold', ['host', 0.9, None])
def test_a_host_learns_labels_of_its_teacher_from_masked_images(
    method, threshold
):
    model = build(method, threshold=threshold)
    copied = copy.deepcopy(model)
    images = domains_of(copied, data_of()).targets['target'].images
    value = 0.968 if threshold == 'host' else threshold
    labels, weights = labelled(copied, images, value)
    expected = losses_on(copied, masked(images), labels, weights)
    sum(expected.values()).backward()
    alone = build(method)
    idle(alone)
    start = copy.deepcopy(dict(alone.segmentor.named_parameters()))
    logs, without = step(model), step(alone)
    for name, loss in expected.items():
        assert logs[name].item() == pytest.approx(loss.item(), rel=1e-9)
    weight = logs['target.pseudo_label_weight'].item()
    assert weight == pytest.approx(weights[0, 0, 0].item(), rel=1e-9)
    for name in without:
        assert name in logs
    gradients = dict(copied.segmentor.named_parameters())
    moved = dict(alone.segmentor.named_parameters())
    for name, found in model.segmentor.named_parameters():
        if gradients[name].grad is not None:
            change = moved[name] - start[name] - LR * gradients[name].grad
            torch.testing.assert_close(
                found - start[name], change, rtol=1e-7, atol=1e-10, msg=name
            )


def idle(model):
    """Take the terms' passes out."""
    model.terms.clear()
    if type(model).__name__ == 'SourceOnly':
        model.check_batch = lambda batch: None


@MODELS.register_module()
class LabelsTargets(Term):
    """Stands for a host that labels the targets in the iteration."""

    def extra(self, model, batch):
        for name, target in batch.targets.items():
            found = label_online(model, target, None)
            kept = torch.zeros_like(found.weights)
            kept[:, :20] = 0.25
            batch.pseudo_labelled[name] = replace(found, weights=kept)
        yield from ()


@pytest.mark.parametrize('threshold', ['host', None])
def test_labels_of_the_host_are_shared(threshold):
    terms = [
        dict(type='LabelsTargets'),
        dict(
            type='MaskedConsistency',
            block_size=8,
            augmentation=False,
            threshold=threshold,
        ),
    ]
    model = build(terms=terms, teacher=dict(mode='batch_statistics'))
    model.terms[0].allows_padding = True
    copied = copy.deepcopy(model)
    images = domains_of(copied, data_of()).targets['target'].images
    labels, weights = labelled(copied, images, None)
    if threshold == 'host':
        weights[:, :20], weights[:, 20:] = 0.25, 0
    expected = losses_on(copied, masked(images), labels, weights)
    logs = step(model)
    for name, loss in expected.items():
        assert logs[name].item() == pytest.approx(loss.item(), rel=1e-9)
    assert ('target.masked.pseudo_label_weight' in logs) == (threshold is None)
    assert 'target.pseudo_label_weight' not in logs


@pytest.mark.parametrize(('count', 'half'), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_separate_masks_half_of_each_domain(count, half):
    model = build(mode='separate', threshold=0.9)
    data = data_of(count)
    for sample in data['data_samples']['source']:
        sample.gt_sem_seg.data[:, :5] = 255
    domains = domains_of(model, data)
    source, target = domains.source, domains.targets['target']
    labels, weights = labelled(model, target.images, 0.9)
    images = torch.cat([source.images[:half], target.images[:half]])
    labels = torch.cat([source.labels[:half], labels[:half]])
    weights = torch.cat([weights[:half] * 0 + 1, weights[:half]])
    expected = losses_on(model, masked(images), labels, weights)
    logs = step(model, data)
    for name, loss in expected.items():
        assert logs[name].item() == pytest.approx(loss.item(), rel=1e-9)


def test_separate_needs_images_of_one_size():
    model = build(mode='separate')
    with pytest.raises(ConfigError, match='must have one size, not 49x33, 41'):
        step(model, data_of(target_size=(33, 41)))


def test_the_weight_is_of_the_main_head_alone():
    logs, twice = step(build()), step(build(weight=2.0))
    for head, factor in (('decode', 2), ('aux', 1)):
        name = f'target.masked.{head}.loss_ce'
        assert twice[name].item() == pytest.approx(factor * logs[name].item())


@pytest.mark.parametrize(
    ('mode', 'augmentation', 'acts'),
    [
        ('target', None, True),
        ('target', False, False),
        ('target', dict(jitter_probability=0, blur_probability=0), False),
        ('separate', None, False),
        ('separate', True, True),
    ],
)
def test_images_are_augmented_as_published_by_default(
    mode, augmentation, acts
):
    model = build(mode=mode, augmentation=augmentation)
    images = domains_of(model, data_of()).source.images
    # Of both coins at least one falls so nine times in ten.
    torch.manual_seed(4)
    found = model.terms[0]._augmented(model, images)
    assert torch.equal(found, images) != acts


def test_the_augmented_image_is_what_is_masked():
    model = build(augmentation=True)
    copied = copy.deepcopy(model)
    images = domains_of(copied, data_of()).targets['target'].images
    labels, weights = labelled(copied, images, 0.968)
    torch.manual_seed(4)
    images = copied.terms[0]._augmented(copied, images)
    expected = losses_on(copied, masked(images), labels, weights)
    torch.manual_seed(4)
    logs = step(model)
    for name, loss in expected.items():
        assert logs[name].item() == pytest.approx(loss.item(), rel=1e-9)


def test_padding_has_no_part():
    model = build('SourceOnly', threshold=0.9)
    first, second = data_of(1), batch(1, 5, SIZE, (25, 33))
    for key, domains in first.items():
        for name, items in domains.items():
            items += second[key][name]
    target = domains_of(model, first).targets['target']
    with torch.no_grad():
        seen = logits_of(model.teacher, target.images)['decode']
        confidence, labels = upsampled(seen).softmax(1).max(1)
    share = (confidence >= 0.9)[target.valid].double().mean()
    logits = logits_of(model.segmentor, masked(target.images))['decode']
    pixels = F.cross_entropy(upsampled(logits), labels, reduction='none')
    logs = step(model, first)
    assert 0 < target.valid.double().mean() < 1
    assert logs['target.masked.decode.loss_ce'].item() == pytest.approx(
        (share * pixels[target.valid].mean()).item(), rel=1e-9
    )


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_half_precision_stays_near_the_single_one(precision):
    masked = dict(type='MaskedConsistency', block_size=8, threshold=0.9)
    distance = dict(type='FeatureDistance', things='all')
    wrappers = (
        {},
        dict(type='MixedPrecisionOptimWrapper', precision=precision),
    )
    logs = []
    for wrapper in wrappers:
        model = build(terms=[masked, distance]).float()
        for weight in model.imagenet.parameters():
            weight.data *= 1.1
        torch.manual_seed(0)
        logs.append(step(model, **wrapper))
    for name in (
        'target.masked.decode.loss_ce',
        'target.pseudo_label_weight',
        'source.loss_feature_distance',
    ):
        single, half = logs[0][name], logs[1][name]
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(single.item(), rel=0.05)
        # a share of pixels may be the same
        assert half != single or name == 'target.pseudo_label_weight'


def wrapped_step(method):
    register_all_modules()
    model = build(method, teacher=dict(mode='eval'), threshold=0.9)
    data = data_of(4)
    part = {
        key: {n: items[get_rank() :: 2] for n, items in value.items()}
        for key, value in data.items()
    }
    model = UDADistributedDataParallel(model)
    return step(model, part), model.module.state_dict()


@pytest.mark.parametrize('method', HOSTS)
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, method):
    first, second = gloo.run(wrapped_step, tmp_path, method)
    model = build(method, teacher=dict(mode='eval'), threshold=0.9)
    logs = step(model, data_of(4))
    for name, value in logs.items():
        torch.testing.assert_close(value, first[0][name], msg=name)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[1][name], rtol=0, atol=1e-9, msg=name
        )
        assert torch.equal(first[1][name], second[1][name]), name


def test_a_host_without_a_teacher_gets_the_published_one():
    model = build()
    kept = model.followers['teacher']
    assert (kept.of, kept.mode) == ('segmentor', 'own_statistics')
    assert model.needed_hooks == [dict(type='MeanTeacherHook', buffers='keep')]


def test_a_host_takes_the_options_of_its_teacher():
    terms = [
        dict(type='MaskedConsistency', teacher=dict(momentum=0.9, begin=5))
    ]
    model = build(terms=terms)
    assert model.followers['teacher'].mode == 'own_statistics'
    assert model.needed_hooks == [
        dict(type='MeanTeacherHook', momentum=0.9, begin=5, buffers='keep')
    ]


@pytest.mark.parametrize(
    ('teacher', 'mode', 'hook'),
    [
        (True, 'own_statistics', dict(buffers='keep')),
        (dict(begin=5), 'own_statistics', dict(begin=5, buffers='keep')),
        (dict(mode='eval'), 'eval', {}),
        (dict(mode='batch_statistics'), 'batch_statistics', {}),
    ],
)
def test_only_a_mode_that_is_named_is_another_one(teacher, mode, hook):
    model = build(teacher=teacher)
    assert model.followers['teacher'].mode == mode
    assert model.needed_hooks == [dict(type='MeanTeacherHook', **hook)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(block_size=0), 'block_size=0: must be a whole number above 0'),
        (dict(block_size='token'), 'DeepLabResNet has no patch tokens'),
        (dict(mask_ratio=1), 'mask_ratio=1: must be a number of at least 0'),
        (dict(mode='image'), r"mode must be one of \('target', 'source', "),
        (dict(weight=-1), 'weight=-1: must be a finite number of at least 0'),
        (dict(threshold=2), r'threshold=2: must be a number in \[0, 1\], or'),
        (dict(augmentation=dict(strength=2)), 'augmentation.strength=2: must'),
        (dict(augmentation=dict(blur=1)), "augmentation: there is no 'blur'"),
        (dict(teacher=dict(momentun=1)), "there is no 'momentun', only mode"),
        (dict(teacher={}, terms=None), 'MinEnt has a teacher already; write'),
        (dict(teacher=dict(buffers='ema')), "buffers='ema' of MeanTeacherH"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(
            model_config(
                'MinEnt',
                teacher='terms' in options,
                terms=[
                    dict(type='MaskedConsistency')
                    | {k: v for k, v in options.items() if k != 'terms'}
                ],
            )
        )


def test_source_only_without_targets_can_not_mask_some():
    data = data_of()
    for value in data.values():
        del value['target']
    with pytest.raises(ConfigError, match='has no target domain'):
        step(build('SourceOnly'), data)
