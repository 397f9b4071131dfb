"""DACS in two gloo processes against one."""

import warnings

import gloo
import pytest
import torch
from dacs_models import build, mixable, train
from mmengine.dist import get_rank
from test_mixed_precision import BF16

from mmuda.models import UDADistributedDataParallel

# Norms that do not see which images a process has.
FROZEN = dict(norm_eval=True)
METHODS = {
    'own draws': dict(method='ChosenDACS', network=FROZEN),
    'labelled': dict(
        method='ChosenDACS', network=FROZEN, source_mean='labelled'
    ),
}


def part(data, rank):
    """One image of each domain; unlike numbers of them are labelled."""
    return {
        key: {domain: [items[rank]] for domain, items in value.items()}
        for key, value in data.items()
    }


def batches():
    data = [mixable(seed=seed) for seed in range(2)]
    data[0]['data_samples']['source'][1].gt_sem_seg.data[:, :20] = 255
    return data


def train_rank(options, wrapper):
    model = build(**options)
    warnings.simplefilter('error', UserWarning)
    model = UDADistributedDataParallel(model)
    own = [part(data, get_rank()) for data in batches()]
    logs = train(model, own, **wrapper)
    return model.module.state_dict(), logs


def in_two_processes(folder, options, **wrapper):
    return gloo.run(train_rank, folder, options, wrapper)


@pytest.mark.parametrize('name', METHODS)
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, name):
    # Small steps: large ones let rounding grow.
    slow = dict(optimizer=dict(type='SGD', lr=1e-3))
    (state, logs), _ = in_two_processes(tmp_path, METHODS[name], **slow)
    model = build(**METHODS[name])
    expected = train(model, batches(), **slow)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            state[name], value, rtol=0, atol=1e-6, msg=name
        )
    for found, one in zip(logs, expected, strict=True):
        for key, value in one.items():
            torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('wrapper', [{}, BF16], ids=['fp32', 'bf16'])
def test_parameters_are_bit_equal_over_ranks(tmp_path, wrapper):
    """Also where each process draws, and counts statistics, of its own."""
    (first, logs), (second, others) = in_two_processes(
        tmp_path, dict(method='DACS'), **wrapper
    )
    for name, value in first.items():
        counted = 'running' in name or 'tracked' in name
        assert counted or torch.equal(value, second[name]), name
    assert logs == others
