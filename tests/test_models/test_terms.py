"""Terms that ride on methods, against plain PyTorch."""

import copy
import math
from dataclasses import replace

import collaborative_models
import gloo
import pytest
import torch
import torch.nn.functional as F
from custom_terms import checkered
from mmengine.dist import get_rank, get_world_size
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from several_targets import NAMES, optimizers, several
from tiny_models import (
    NUM_CLASSES,
    batch,
    logits_of,
    model_config,
    segmentor_config,
)

from mmuda.models import UDADistributedDataParallel, unwrap
from mmuda.models.terms import Term
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

TERMS = [
    dict(type='CheckeredConsistency'),
    dict(type='FeatureDistance', weight=0.1, things='all'),
]
ENTROPY = dict(type='Entropy', weights=dict(decode=0.5))
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
        part = getattr(model, network, None) or torch.nn.Module()
        for weight in part.parameters():
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
        'target.checkered.decode.loss_ce': 0.5
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
    assert not any('checkered' in name for name in logs)


@pytest.mark.parametrize(
    ('method', 'term', 'message'),
    [
        ('SourceOnly', ENTROPY, "needs 'on_target'.*SourceOnly"),
        ('CoTraining', TERMS[1], "needs 'on_source'.*CoTraining"),
        ('MinEnt', dict(type='FCNHead', in_channels=3, channels=3), 'no term'),
    ],
)
def test_terms_that_would_do_nothing_are_refused(method, term, message):
    term = term | (dict(num_classes=5) if term['type'] == 'FCNHead' else {})
    with pytest.raises(ConfigError, match=message):
        build(method, terms=[term])


def test_terms_that_name_a_loss_alike_all_count():
    terms = [
        dict(type='Entropy', weights=dict(decode=0.5)),
        dict(type='Entropy', weights=dict(decode=0.3), top_fraction=0.1),
    ]
    logs, alone = (
        step(build('MinEnt', terms=t), labelled()) for t in (terms, [])
    )
    own, entropy, hardest = (
        logs[f'target.decode.loss_entropy{end}'] for end in ('', '_2', '_3')
    )
    assert own.item() == alone['target.decode.loss_entropy'].item()
    assert entropy.item() == pytest.approx(5 * own.item(), rel=1e-9)
    assert hardest > 3 * own
    assert logs['loss.segmentor'].item() == pytest.approx(
        (alone['loss.segmentor'] + entropy + hardest).item(), rel=1e-9
    )


def own_heads(model, data, target):
    """Logits of a target's own heads at the size of the images, by level."""
    images = model.data_preprocessor(data, True).targets[target].images
    logits = logits_of(model.segmentor, images)
    return {
        level: model.upsample(logits[f'{target}.{level}'], images)
        for level in ('decode', 'aux')
    }


@pytest.mark.parametrize('method', ['MTKT', 'MultiHeadAdvEnt'])
def test_terms_ride_on_a_targets_own_heads(method):
    ratio = [0.1, 0.1, 0.2, 0.3, 0.3]
    terms = [
        dict(type='Entropy', weights=dict(decode=0.5, aux=0.1)),
        dict(type='ClassRatioPrior', ratio=ratio, relaxation=1.0),
    ]
    model = collaborative_models.build(method, terms=terms).double()
    expected = {}
    for name in NAMES[:2]:
        full = own_heads(model, several(2), name)
        for level, weight in (('decode', 0.5), ('aux', 0.1)):
            p = full[level].softmax(1)
            entropy = -(p * p.log()).sum(1).mean() / math.log(NUM_CLASSES)
            expected[f'{name}.{level}.loss_entropy'] = weight * entropy
        mean = full['decode'].softmax(1).mean((2, 3))
        gap = (torch.tensor(ratio).to(mean) - mean).relu().sum()
        expected[f'{name}.decode.loss_class_ratio'] = gap
    logs = model.train_step(several(2), optimizers(model))
    for name, value in expected.items():
        assert logs[name].item() == pytest.approx(value.item(), rel=1e-6)


def test_heads_of_one_target_are_no_level():
    terms = [dict(type='Entropy', weights={'rome.decode': 0.5})]
    message = r"terms: Entropy\.weights: .* no head 'rome\.rome\.decode'"
    with pytest.raises(ConfigError, match=message):
        collaborative_models.build('MTKT', terms=terms)


@pytest.mark.parametrize('over_labelled', [True, False])
@pytest.mark.parametrize('domain', ['source', 'target'])
def test_weights_of_pixels_count_where_labels_do(domain, over_labelled):
    model = build('SelfTraining', terms=[])
    for head in model.segmentor.heads().values():
        head.loss_decode.avg_non_ignore = over_labelled
    data = model.data_preprocessor(labelled(), True).domains[domain]
    data.labels[:, :, :7] = 255
    weights = torch.rand(data.labels.shape, dtype=torch.float64)
    name = f'{domain}.decode.loss_ce' + '_pseudo' * (domain == 'target')
    found = model.losses_on(replace(data, weights=weights), {})[name]
    logits = logits_of(model.segmentor, data.images)['decode']
    logits = model.upsample(logits, data.images)
    pixels = F.cross_entropy(
        logits, data.labels, ignore_index=255, reduction='none'
    )
    valid = data.labels != 255 if over_labelled else data.labels >= 0
    expected = (weights * pixels).sum() / valid.sum()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def uneven():
    """A batch whose second images are smaller."""
    first, second = batch(), batch(target_size=(25, 33), source_size=(25, 41))
    for key, domains in first.items():
        for name, items in domains.items():
            items += second[key][name]
    return first


def test_padding_has_no_part_in_terms():
    model = build('MinEnt')
    data = model.data_preprocessor(uneven(), True)
    images, valid = data.targets['target'].images, data.targets['target'].valid
    with torch.no_grad():
        labels = model.upsample(model.teacher(images), images).argmax(1)
    seen = logits_of(model.segmentor, checkered(images, 8))['decode']
    pixels = F.cross_entropy(
        model.upsample(seen, images), labels, reduction='none'
    )
    logs = step(model, uneven())
    assert logs['target.checkered.decode.loss_ce'].item() == pytest.approx(
        0.5 * pixels[valid].mean().item(), rel=1e-9
    )


def test_terms_that_would_learn_from_padding_are_refused(monkeypatch):
    model = build('MinEnt')
    monkeypatch.setattr(type(model.terms[0]), 'allows_padding', False)
    with pytest.raises(ConfigError, match='CheckeredConsistency would learn'):
        step(model, uneven())


@pytest.mark.parametrize(
    'terms',
    [TERMS[0], ['CheckeredConsistency'], [dict(weight=0.5)], 'Entropy', None],
)
def test_terms_that_are_no_list_of_configs_are_refused(terms):
    with pytest.raises(ConfigError, match='model.terms must be a list of'):
        build('MinEnt', terms=terms)


def test_a_term_that_would_be_trained_is_refused():
    with pytest.raises(ConfigError, match='Projected holds weights that are'):
        build('MinEnt', terms=[dict(type='Projected', inside=True)])


def projected_step():
    register_all_modules()
    model = build(
        'MinEnt',
        terms=[dict(type='Projected')],
        segmentor=segmentor_config(norm_eval=True),
        teacher=False,
    )
    data = labelled(2)
    part = {
        key: {name: items[get_rank() :: 2] for name, items in value.items()}
        for key, value in data.items()
    }
    if get_world_size() == 1:
        part = data
    else:
        model = UDADistributedDataParallel(model)
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=LR))
    config = dict(
        constructor='MultiOptimWrapperConstructor',
        segmentor=sgd,
        projector=sgd,
    )
    model.train_step(part, build_optim_wrapper(model, config))
    return unwrap(unwrap(model).projector).state_dict()


def test_what_a_term_trains_is_synchronised(tmp_path):
    first, second = gloo.run(projected_step, tmp_path)
    whole = projected_step()
    for name, value in whole.items():
        torch.testing.assert_close(value, first[name])
        assert torch.equal(first[name], second[name])


@MODELS.register_module()
class OnTargets(Term):
    """Remembers the targets that it was told of."""

    def attach(self, model):
        self.targets = model.targets

    def extra(self, model, batch):
        yield from ()


@pytest.mark.parametrize('method', collaborative_models.METHODS)
def test_terms_know_the_targets_of_a_method(method):
    model = collaborative_models.build(method, terms=[dict(type='OnTargets')])
    assert model.terms[0].targets == tuple(NAMES[:2])


def test_any_method_may_name_its_targets():
    model = build('MinEnt', targets=['target'])
    assert 'target.decode.loss_entropy' in step(model, labelled())
    with pytest.raises(ConfigError, match=r"model.targets is \['rome'\], but"):
        step(build('MinEnt', targets=['rome']), labelled())


def step_beside_idle_heads():
    register_all_modules()
    model = collaborative_models.build(
        'MultiHeadAdvEnt', teacher=True, terms=TERMS[:1], norm_eval=True
    )
    start = copy.deepcopy(model.segmentor.state_dict())
    if get_world_size() > 1:
        model = UDADistributedDataParallel(model)
    model.train_step(several(2), optimizers(model, weight_decay=0.5))
    end = unwrap(unwrap(model).segmentor).state_dict()
    return [name for name in start if not torch.equal(start[name], end[name])]


def test_heads_that_neither_method_nor_term_trains_rest(tmp_path):
    alone = step_beside_idle_heads()
    assert 'decode_head.conv_seg.weight' in alone
    assert not any(name.startswith('auxiliary_head') for name in alone)
    assert gloo.run(step_beside_idle_heads, tmp_path) == [alone, alone]
