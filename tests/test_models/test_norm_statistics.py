"""Batch-norm statistics of a domain: measured, held and kept apart."""

import copy
from pathlib import Path

import gloo
import pytest
import torch
from mmengine.dist import get_rank, get_world_size
from torch import nn

from mmuda.models.norm_statistics import (
    counted_norms,
    hold_target_statistics,
    holds_target_statistics,
    measured_statistics,
    running_norms,
    set_statistics,
    statistics_of,
    statistics_options,
    take_training_statistics,
)
from mmuda.utils.errors import CheckpointError, ConfigError


def network():
    """Two batch norms around a convolution, and dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Dropout(0.5),
        nn.BatchNorm2d(4),
    ).eval()


def domain(mean, count=10, seed=0):
    """Batches of 4, 4 and 2 images of a mean."""
    generator = torch.Generator().manual_seed(seed)
    images = mean + torch.randn(count, 3, 6, 7, generator=generator)
    # images differ, so that variances of batches are below that of all
    images += torch.arange(count).view(-1, 1, 1, 1).float()
    return images.split(4)


def measured(model, batches):
    names = running_norms(model)
    return measured_statistics(model, names, batches, model)


def test_first_norm_has_mean_and_variance_of_all_pixels():
    batches = domain(5.0)
    values = torch.cat(batches)
    found = measured(network(), batches)
    torch.testing.assert_close(
        found['0.running_mean'], values.mean(dim=(0, 2, 3))
    )
    torch.testing.assert_close(
        found['0.running_var'], values.var(dim=(0, 2, 3))
    )


def test_variance_between_batches_counts():
    batches = domain(5.0)
    by_batch = torch.stack([b.var(dim=(0, 2, 3)) for b in batches]).mean(0)
    found = measured(network(), batches)
    assert (found['0.running_var'] > 2 * by_batch).all()


def test_later_norms_see_batches_normalised_as_in_training():
    model, batches = network(), domain(5.0)
    found = measured(copy.deepcopy(model), batches)
    model[0].train()
    with torch.no_grad():
        seen = torch.cat([model[1](model[0](batch)) for batch in batches])
    torch.testing.assert_close(
        found['3.running_mean'], seen.mean(dim=(0, 2, 3))
    )
    torch.testing.assert_close(
        found['3.running_var'], seen.var(dim=(0, 2, 3)), rtol=1e-5, atol=1e-6
    )


def test_one_value_a_channel_is_counted_but_does_not_normalise_itself():
    norm = nn.Sequential(nn.BatchNorm2d(1)).eval()
    norm[0].running_mean.fill_(2.0)
    outputs = []
    images = [torch.tensor([[[[value]]]]) for value in (1.0, 4.0)]
    found = measured_statistics(
        norm, ['0'], images, lambda image: outputs.append(norm(image).item())
    )
    assert outputs == pytest.approx([-1, 2], rel=1e-4)
    assert found['0.running_mean'].item() == 2.5
    assert found['0.running_var'].item() == 4.5


def test_norm_that_sees_nothing_keeps_its_statistics():
    model = network()
    model[3].running_var.fill_(7)
    found = measured_statistics(model, ['0', '3'], domain(1.0), model[0])
    assert found['3.running_var'].tolist() == [7] * 4


def test_prediction_by_the_target_is_the_closed_form_and_differs_from_mixed():
    # Two domains with means -3 and 5 and variance 1 or so under one norm.
    norm = nn.Sequential(nn.BatchNorm2d(3, affine=False, momentum=None))
    source, target = torch.cat(domain(-3.0)), torch.cat(domain(5.0))
    for images in (source, target):
        norm(images)
    norm.eval()
    mixed = norm(target)
    set_statistics(
        norm, measured_statistics(norm, ['0'], target.split(4), norm)
    )
    own = norm(target)
    mean = target.mean(dim=(0, 2, 3), keepdim=True)
    variance = target.var(dim=(0, 2, 3), keepdim=True)
    torch.testing.assert_close(
        own, (target - mean) / (variance + norm[0].eps).sqrt()
    )
    # The mean of both domains lies 4 below, in units of a domain's deviation.
    shift = (mixed - own).mean(dim=(0, 2, 3))
    torch.testing.assert_close(
        shift, 4 / variance.flatten().sqrt(), rtol=0.02, atol=0
    )


def in_one_process_of_two(folder):
    batches = domain(5.0)[get_rank() :: get_world_size()]
    return measured(network(), batches)


def test_two_processes_measure_what_one_does(tmp_path):
    ranks = gloo.run(in_one_process_of_two, tmp_path, str(Path(tmp_path)))
    alone = measured(network(), domain(5.0))
    for rank in ranks:
        for name, values in alone.items():
            assert torch.equal(rank[name], values), name


def test_frozen_norms_are_told_apart_and_modes_stay():
    class Frozen(nn.BatchNorm2d):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(nn.BatchNorm2d(1), Frozen(1), nn.Dropout()).eval()
    model[0].train()
    before = [module.training for module in model.modules()]
    assert counted_norms(model) == ['0']
    assert [module.training for module in model.modules()] == before


def checkpoint():
    model = network()
    state = model.state_dict()
    held = {
        'state_dict': {f'segmentor.{k}': v for k, v in state.items()},
        'meta': {},
    }
    target = {k: v + 1 for k, v in statistics_of(model, ['0']).items()}
    hold_target_statistics(held, {'segmentor': target}, images=3)
    return held, target, state


def test_checkpoint_predicts_by_the_target_and_says_so():
    held, target, _ = checkpoint()
    assert holds_target_statistics(held)
    assert held['meta']['norm_statistics'] == dict(of='target', images=3)
    for name, values in target.items():
        assert torch.equal(held['state_dict'][f'segmentor.{name}'], values)


def test_run_goes_on_with_statistics_of_its_training():
    held, _, state = checkpoint()
    take_training_statistics(held, 'iter_1.pth')
    for name, values in state.items():
        assert torch.equal(held['state_dict'][f'segmentor.{name}'], values)


def test_statistics_of_other_weights_are_refused():
    held, _, _ = checkpoint()
    held['training_statistics'] = {'segmentor.9.running_mean': torch.ones(3)}
    with pytest.raises(CheckpointError, match='a.pth: its training_stat'):
        take_training_statistics(held, 'a.pth')


@pytest.mark.parametrize(
    ('given', 'kind', 'options'),
    [
        ('mixed', 'mixed', {}),
        (None, 'mixed', {}),
        (dict(images=9), 'target', dict(images=9)),
        (dict(mode='by_domain'), 'by_domain', {}),
    ],
)
def test_options_name_the_kind(given, kind, options):
    assert statistics_options(given) == (kind, options)


@pytest.mark.parametrize('given', ['source', dict(mode='mixed', images=1)])
def test_unknown_kinds_and_options_of_others_are_refused(given):
    with pytest.raises(ConfigError, match='norm_statistics'):
        statistics_options(given)


def test_unknown_option_is_told():
    with pytest.raises(ConfigError, match=r"no 'image', .*mean 'images'"):
        statistics_options(dict(image=3))
