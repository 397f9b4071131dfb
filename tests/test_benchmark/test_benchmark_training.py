from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tiny_models import NUM_CLASSES, model_config, optim_config

from benchmarks.setting import (
    scale_sizes,
    set_depth,
    without_pretrained,
)
from benchmarks.training import memory_rows, speed_rows
from benchmarks.training_case import TrainingCase, random_batch
from mmuda.utils.config import load_config

CONFIGS = Path(__file__).parents[2] / 'configs' / 'advent'
SIZES = {'source': (96, 64), 'target': (64, 64)}


def tiny_config():
    parts = {
        name: dict(pipeline=[dict(type='Resize', scale=size)])
        for name, size in SIZES.items()
    }
    return Config(
        dict(
            model=model_config(),
            optim_wrapper=optim_config(),
            train_dataloader=dict(batch_size=2, dataset=parts),
        )
    )


@pytest.fixture
def case():
    torch.manual_seed(0)
    return TrainingCase(tiny_config())


def test_batch_has_images_of_the_configs_sizes(case):
    shapes = {name: tuple(x.shape) for name, x in case.images.items()}
    assert shapes == {'source': (2, 3, 64, 96), 'target': (2, 3, 64, 64)}


def test_random_labels_are_classes():
    batch = random_batch({'source': (50, 40)}, 1, NUM_CLASSES)
    label = batch['data_samples']['source'][0].gt_sem_seg.data
    assert label.unique().tolist() == list(range(NUM_CLASSES))


def test_methods_share_one_segmentor(case):
    assert case.models['AdvEnt'].segmentor is case.models['MinEnt'].segmentor


@pytest.mark.parametrize('method', ['AdvEnt', 'MinEnt'])
def test_a_training_step_changes_the_weights(case, method):
    weight = case.segmentor.backbone.conv1.weight
    before = weight.detach().clone()
    case.train_step(method)
    assert not torch.equal(weight, before)


def test_the_bare_step_reaches_every_trained_parameter(case):
    case.bare_step(['source', 'target'])
    missing = [
        name
        for name, parameter in case.segmentor.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert missing == []


def test_a_bare_iteration_starts_from_empty_gradients(case):
    for _ in range(2):
        case.bare_iteration()
        gradient = case.segmentor.decode_head.conv_seg.bias.grad.clone()
    case.bare_iteration()
    torch.testing.assert_close(
        case.segmentor.decode_head.conv_seg.bias.grad, gradient
    )


def test_a_joint_step_gives_the_gradients_of_a_training_step(case):
    """Of the discriminator too; compared by what SGD and Adam would get."""
    case.joint_step('AdvEnt')
    joint = [
        p.grad.clone()
        for p in case.models['AdvEnt'].parameters()
        if p.grad is not None
    ]
    model = case.models['AdvEnt']
    model.zero_grad()
    steps = model.training_step(case.prepared)
    for _, losses in steps:
        model.parse_losses(losses)[0].backward()
    separate = [p.grad for p in model.parameters() if p.grad is not None]
    torch.testing.assert_close(joint, separate, rtol=1e-4, atol=1e-6)


def test_gradients_are_filled_with_zeros(case):
    case.fill_gradients()
    trained = [
        p for p in case.models['AdvEnt'].parameters() if p.requires_grad
    ]
    assert all(p.grad.eq(0).all() for p in trained)


def test_speed_rows_have_times_and_operations(case):
    names = [row.name for row in speed_rows(case, rounds=1, warmup=0)]
    assert names == [
        'AdvEnt iteration / bare forward+backward',
        'MinEnt iteration / bare forward+backward',
        'AdvEnt operations / bare forward+backward',
        'MinEnt operations / bare forward+backward',
    ]


def test_minent_has_no_operations_of_its_own(case):
    rows = speed_rows(case, rounds=1, warmup=0)
    assert rows[-1].value == 1.0


def test_a_discriminator_takes_operations(case):
    rows = speed_rows(case, rounds=1, warmup=0)
    assert rows[-2].value > 1.0


def test_memory_rows_are_the_same_each_time(case):
    assert memory_rows(case) == memory_rows(case)


def test_memory_rows_show_what_a_joint_backward_would_need(case):
    rows = {row.name: row.value for row in memory_rows(case)}
    joint = rows['MinEnt by one joint backward / larger single domain']
    assert joint > 1.3 * rows['MinEnt step / larger single domain']


@pytest.mark.slow
def test_an_iteration_needs_hardly_more_memory_than_one_domain():
    cfg = load_config(CONFIGS / 'gta2cs.py')
    without_pretrained(cfg)
    set_depth(cfg, 50)
    scale_sizes(cfg, 0.15)
    rows = memory_rows(TrainingCase(cfg))
    assert [row.is_met for row in rows if row.goal] == [True, True]
