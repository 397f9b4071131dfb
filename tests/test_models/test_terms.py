"""Terms that ride on methods, against plain PyTorch."""

import copy

import gloo
import pytest
import torch
import torch.nn.functional as F
from custom_terms import checkered
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from tiny_models import (
    NUM_CLASSES,
    batch,
    logits_of,
    model_config,
    segmentor_config,
)

from mmuda.models import UDADistributedDataParallel
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

TERMS = [dict(type='MaskedConsistency'), dict(type='FeatureDistance')]
METHODS = ['AdvEnt', 'MinEnt', 'SelfTraining']
LR = 0.1


def build(method, terms=TERMS, **options):
    torch.manual_seed(0)
    options = dict(teacher=True, terms=terms) | options
    model = MODELS.build(model_config(method, **options))
    for _, child in sorted(model.named_children(), reverse=True):
        torch.manual_seed(1)
        for weight in child.parameters():
            if weight.dim() == 4:
                torch.nn.init.kaiming_normal_(weight, a=1)
    for network in ('teacher', 'imagenet'):
        for weight in getattr(model, network, torch.nn.Module()).parameters():
            weight.data *= 0.9
    return model.double().train()


def labelled(count=1, seed=0):
    """A batch whose target has pseudo-labels, too."""
    data = batch(count, seed)
    generator = torch.Generator().manual_seed(seed)
    for sample in data['data_samples']['target']:
        size = (1, *sample.img_shape)
        label = torch.randint(0, NUM_CLASSES, size, generator=generator)
        sample.pseudo_sem_seg = PixelData(data=label)
    return data


def step(model, data):
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=LR))
    config = dict(constructor='MultiOptimWrapperConstructor', segmentor=sgd)
    if hasattr(getattr(model, 'module', model), 'discriminator'):
        config['discriminator'] = sgd
    return model.train_step(data, build_optim_wrapper(model, config))


def plain(model, data):
    """Both terms' losses, in plain torch."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x_s, x_t = data.source.images, data.targets['target'].images

    def upsampled(values):
        return F.interpolate(
            values, x_t.shape[2:], mode='bilinear', align_corners=True
        )

    with torch.no_grad():
        labels = upsampled(logits_of(model.teacher, x_t)['decode']).argmax(1)
        fixed = model.imagenet(x_s)[-1]
    seen = logits_of(model.segmentor, checkered(x_t, 8))['decode']
    features = model.segmentor.backbone(x_s)[-1]
    return {
        'target.masked.decode.loss_ce': 0.5
        * F.cross_entropy(upsampled(seen), labels),
        'source.loss_feature_distance': 0.1
        * ((features - fixed) ** 2).sum(1).sqrt().mean(),
    }


@pytest.mark.parametrize('method', METHODS)
def test_terms_are_plain_losses_beside_those_of_a_method(method):
    model, alone = build(method), build(method, terms=[])
    start = copy.deepcopy(dict(model.segmentor.named_parameters()))
    copied = copy.deepcopy(model)
    expected = plain(copied, labelled())
    sum(expected.values()).backward()
    logs, without = step(model, labelled()), step(alone, labelled())
    for name, value in expected.items():
        assert logs[name].item() == pytest.approx(value.item(), rel=1e-9)
    for name, value in without.items():
        if name != 'loss.segmentor':
            assert logs[name].item() == pytest.approx(value.item(), rel=1e-9)
    gradients = dict(copied.segmentor.named_parameters())
    moved = dict(alone.segmentor.named_parameters())
    for name, found in model.segmentor.named_parameters():
        if found.requires_grad:
            change = moved[name] - start[name]
            if gradients[name].grad is not None:
                change = change - LR * gradients[name].grad
            torch.testing.assert_close(
                found - start[name], change, rtol=1e-7, atol=1e-10, msg=name
            )


def wrapped_step(method):
    register_all_modules()
    model = build(method, segmentor=segmentor_config(norm_eval=True))
    data = labelled(2)
    part = {
        key: {name: items[get_rank() :: 2] for name, items in value.items()}
        for key, value in data.items()
    }
    model = UDADistributedDataParallel(model)
    step(model, part)
    assert type(model.module.imagenet).__name__ == 'DeepLabResNet'
    return model.module.state_dict()


@pytest.mark.parametrize('method', METHODS)
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, method):
    first, second = gloo.run(wrapped_step, tmp_path, method)
    model = build(method, segmentor=segmentor_config(norm_eval=True))
    step(model, labelled(2))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[name], rtol=0, atol=1e-6, msg=name
        )
        assert torch.equal(first[name], second[name]), name


def test_deprecated_keywords_are_terms():
    ratio = [1] * NUM_CLASSES
    prior = dict(type='ClassRatioPrior', ratio=ratio)
    old = build(
        'AdvEnt',
        terms=[],
        entropy_weights=dict(decode=0.5),
        class_ratio_prior=prior,
        pseudo_label_weight=0.3,
    )
    new = build(
        'AdvEnt',
        terms=[
            dict(type='Entropy', weights=dict(decode=0.5)),
            prior,
            dict(type='PseudoLabels', weight=0.3),
        ],
    )
    assert old.state_dict().keys() == new.state_dict().keys()
    first, second = step(old, labelled()), step(new, labelled())
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_extra_passes_wait_for_the_end_of_the_warm_up():
    logs = step(build('MinEnt', warmup_iters=1), labelled())
    assert 'source.loss_feature_distance' in logs
    assert not any('masked' in name for name in logs)


@pytest.mark.parametrize(
    ('method', 'term', 'message'),
    [
        ('SourceOnly', TERMS[0], "needs 'extra'.*SourceOnly"),
        ('CoTraining', TERMS[1], "needs 'on_source'.*CoTraining"),
        ('MinEnt', dict(type='FCNHead', in_channels=3, channels=3), 'no term'),
    ],
)
def test_terms_that_would_do_nothing_are_refused(method, term, message):
    term = term | (dict(num_classes=5) if term['type'] == 'FCNHead' else {})
    with pytest.raises(ConfigError, match=message):
        build(method, terms=[term])
