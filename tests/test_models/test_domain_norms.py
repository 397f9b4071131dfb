"""Batch-norm statistics of source and target kept apart in training."""

import pytest
import torch
from collaborative_models import build as build_several
from dacs_models import segmentor as dacs_segmentor
from mmengine.optim import build_optim_wrapper
from several_targets import optimizers, softly_labelled
from tiny_models import batch, model_config, optim_config
from torch import nn

from mmuda.models.domain_norms import SourceStatistics
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

FIRST = 'backbone.bn1.running_mean'
SOURCE = f'source_statistics.{FIRST.replace(".", "/")}'


def build(method='MinEnt', statistics='by_domain', **kwargs):
    torch.manual_seed(0)
    config = model_config(method, norm_statistics=statistics, **kwargs)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def step(model, data=None):
    method = type(model).__name__
    wrappers = build_optim_wrapper(model, optim_config(method))
    model.train_step(batch() if data is None else data, wrappers)
    return model


def test_each_domain_counts_into_its_own():
    model, start = build(), build()
    step(model)
    data = start.data_preprocessor(batch(), True)
    conv, state = start.segmentor.backbone.conv1, model.state_dict()
    images = {
        SOURCE: data.source.images,
        f'segmentor.{FIRST}': data.targets['target'].images,
    }
    for name, shown in images.items():
        mean = conv(shown).mean(dim=(0, 2, 3))
        torch.testing.assert_close(state[name], 0.1 * mean)


def test_mixed_statistics_are_those_of_both_in_turn():
    model, apart = step(build(statistics='mixed')), step(build()).state_dict()
    torch.testing.assert_close(
        model.state_dict()[f'segmentor.{FIRST}'],
        0.9 * apart[SOURCE] + apart[f'segmentor.{FIRST}'],
    )


def test_training_in_itself_does_not_change():
    mixed, apart = step(build(statistics='mixed')), step(build())
    pairs = zip(mixed.parameters(), apart.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_prediction_takes_statistics_of_the_target():
    model = step(build()).eval()
    norm = model.segmentor.backbone.bn1
    values = torch.randn(2, 64, 5, 5)
    own = model.state_dict()[f'segmentor.{FIRST}'].view(1, -1, 1, 1)
    variance = norm.running_var.view(1, -1, 1, 1)
    torch.testing.assert_close(
        norm(values), (values - own) / (variance + norm.eps).sqrt()
    )


def shown(model, changed):
    data = batch(source_size=(33, 49), target_size=(33, 49))
    if changed:
        data['inputs']['target'] = [
            image // 2 for image in data['inputs']['target']
        ]
    return {
        name: values.clone()
        for name, values in step(model, data).state_dict().items()
        if 'running' in name
    }


@pytest.mark.parametrize('method', ['MinEnt', 'AdvEnt', 'DACS'])
def test_source_statistics_do_not_depend_on_the_target(method):
    kwargs = dict(segmentor=dacs_segmentor()) if method == 'DACS' else {}
    once, again = (
        shown(build(method, **kwargs), changed) for changed in (False, True)
    )
    for name, values in once.items():
        if name.startswith('source_statistics'):
            assert torch.equal(values, again[name]), name
    # those of the target, which a mixed image is of, too
    assert not torch.equal(
        once[f'segmentor.{FIRST}'], again[f'segmentor.{FIRST}']
    )


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_activations_that_are_computed_again_count_once(method):
    states = []
    for again in (False, True):
        model = build_several(
            method,
            segmentor=dict(recompute_features=again),
            norm_statistics='by_domain',
        )
        model.train_step(softly_labelled(2), optimizers(model))
        states.append(model.state_dict())
    norms = [name for name in states[0] if name.endswith('running_mean')]
    assert any(name.startswith('source_statistics') for name in norms)
    for name in norms:
        assert torch.equal(states[0][name], states[1][name]), name


@pytest.mark.parametrize('method', ['SourceOnly', 'CoTraining'])
def test_methods_without_passes_on_one_domain_are_refused(method):
    with pytest.raises(ConfigError, match="by_domain': " + method):
        build(method)


def test_students_of_experts_are_refused():
    with pytest.raises(ConfigError, match="by_domain': CCL"):
        build_several('CCL', norm_statistics='by_domain')


def test_statistics_change_places_and_back():
    network = nn.Sequential(nn.BatchNorm2d(2))
    kept = SourceStatistics(network)
    network[0].running_mean.fill_(3)
    with kept.in_place_of(network):
        assert network[0].running_mean.tolist() == [0, 0]
        network(torch.full((2, 2, 1, 1), 10.0))
    assert network[0].running_mean.tolist() == [3, 3]
    assert kept.state_dict()['0/running_mean'].tolist() == [1, 1]
    assert kept.state_dict()['0/num_batches_tracked'] == 1
