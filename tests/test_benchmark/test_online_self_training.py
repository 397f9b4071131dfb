import pytest
import torch
from benchmark_config import tiny_config

from benchmarks.online_self_training import VARIANTS, self_training_rows
from benchmarks.online_self_training_case import (
    HRDA,
    SelfTrainingCase,
    at_two_scales,
)
from mmuda.utils.setup_env import register_all_modules

METHODS = ['DACS', 'DAFormer', 'MIC']


@pytest.fixture(scope='module')
def rows():
    register_all_modules()
    torch.manual_seed(0)
    cfg = tiny_config({'source': (192, 128), 'target': (128, 128)})
    return {r.name: r for r in self_training_rows(cfg, rounds=1, warmup=0)}


def case(method, hrda=False, size=(64, 64)):
    register_all_modules()
    torch.manual_seed(0)
    cfg = tiny_config({'source': (96, 64), 'target': size})
    return SelfTrainingCase(cfg, method, hrda)


def test_each_variant_has_its_rows(rows):
    passes = {
        'DACS': 'source + mixed + teacher',
        'DAFormer': 'source + mixed + teacher + ImageNet',
        'MIC': 'source + mixed + masked + teacher + ImageNet',
    }
    assert [*rows] == [
        name
        for method, hrda in VARIANTS
        for title in [f'{method} on HRDA' if hrda else method]
        for name in (
            f'{title} iteration / {passes[method]}',
            f'{title} augmentation / iteration',
            f'{title} optimizer and teacher / iteration',
            f'{title} peak of an iteration / largest pass',
            f'{title} peak recomputed / kept',
        )[: 5 if hrda else 4]
    ]
    assert {row.goal for row in rows.values()} == {1.08, 0.03, None, 1.1, 0.6}


def test_no_iteration_keeps_two_graphs(rows):
    """What terms and pseudo-labels hold weighs more in a network so small."""
    peaks = [row for name, row in rows.items() if 'largest pass' in name]
    assert len(peaks) == len(VARIANTS)
    assert all(1 <= row.value < 1.5 for row in peaks), peaks


@pytest.mark.parametrize('method', METHODS)
def test_bare_passes_are_those_of_an_iteration(method, monkeypatch):
    """By the passes of backbones with and without gradients."""
    measured = case(method)
    model = measured.model
    seen = []
    networks = [model.segmentor.backbone, model.teacher.backbone]
    networks += [model.imagenet] if method != 'DACS' else []
    for network in networks:
        network.register_forward_hook(
            lambda module, *_: seen.append(
                (networks.index(module), torch.is_grad_enabled())
            )
        )
    measured.step()
    stepped, seen[:] = sorted(seen), []
    for function in measured.passes().values():
        function()
    assert sorted(seen) == stepped
    assert len(seen) == {'DACS': 3, 'DAFormer': 4, 'MIC': 5}[method]


def test_an_update_moves_both_networks():
    measured = case('DACS')
    model = measured.model
    biases = [
        network.decode_head.conv_seg.bias
        for network in (model.segmentor, model.teacher)
    ]
    before = [bias.detach().clone() for bias in biases]
    measured.train_pass()
    measured.update()
    assert not any(map(torch.equal, biases, before))
    assert all(value.grad is None for value in model.parameters())


@pytest.mark.parametrize('method', METHODS)
def test_a_step_moves_the_segmentor_and_its_teacher(method):
    measured = case(method)
    model = measured.model
    networks = [model.segmentor, model.teacher]
    weights = [network.backbone.conv1.weight for network in networks]
    before = [weight.detach().clone() for weight in weights]
    measured.step()
    assert not any(map(torch.equal, weights, before))


@pytest.mark.parametrize(
    ('size', 'rounded'), [((128, 64), (64, 128)), ((90, 130), (128, 64))]
)
def test_both_domains_have_one_size(size, rounded):
    assert case('DACS', size=size).images.shape == (1, 3, *rounded)


def test_both_augmentations_of_masked_consistency_count(monkeypatch):
    calls = []
    for method in METHODS:
        measured = case(method)
        apply = 'benchmarks.online_self_training_case.StrongAugmentation.apply'
        with monkeypatch.context() as patch:
            patch.setattr(
                apply, staticmethod(lambda _, draws, *__: calls.append(draws))
            )
            measured.augment()
            assert all(draws.jitters and draws.blurs for draws in calls)
            assert len(calls) == (2 if method == 'MIC' else 1)
            calls.clear()


def test_hrda_is_put_around_a_network_once():
    segmentor = tiny_config().model.segmentor
    once = at_two_scales(segmentor, (128, 64))
    assert once.type == HRDA
    assert once.detail_crop_size == (32, 64)
    assert once.auxiliary_head is None
    assert 'loss_decode' not in once.attention_head
    assert at_two_scales(once, (128, 64)) == once
    assert segmentor.type == 'UDAEncoderDecoder'


def test_a_config_with_hrda_is_measured_as_it_is(monkeypatch):
    measured = []
    place = 'benchmarks.online_self_training.'
    for name in ('SelfTrainingCase', '_time_rows', '_memory_rows'):
        monkeypatch.setattr(place + name, lambda *_: [])
    monkeypatch.setattr(
        place + '_prefixed', lambda _, title: measured.append(title)
    )
    cfg = tiny_config()
    self_training_rows(cfg)
    assert measured == [*METHODS, 'MIC on HRDA']
    measured.clear()
    cfg.model.segmentor = at_two_scales(cfg.model.segmentor, (64, 64))
    self_training_rows(cfg)
    assert measured == [f'{method} on HRDA' for method in METHODS]


def test_recomputing_ends_with_the_block():
    segmentor = (measured := case('MIC', hrda=True)).model.segmentor
    with measured.recomputing():
        assert segmentor.recompute
    assert not segmentor.recompute
