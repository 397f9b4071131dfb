"""Co-training in two gloo processes against one, and in mixed precision."""

import gloo
import pytest
import torch
from cotraining_models import DEMAND, THRESHOLDS, batch, build, optimizers
from mmengine.dist import get_rank
from test_mixed_precision import BF16, SCALED

from mmuda.models import UDADistributedDataParallel
from mmuda.utils.setup_env import register_all_modules

MIXING = dict(class_mix=DEMAND, thresholds=THRESHOLDS)
# Hard pixels are those of a process's batch: compare without a choice.
OPTIONS = MIXING | dict(portion=1.0, norm_eval=True)
# Two source samples and one of the target in each process: the last source
# ones are pasted, so that one process has them behind the others.
SOURCES, TARGETS = 4, 2


def part(data, rank):
    """Every second sample."""
    return {
        key: {domain: items[rank::2] for domain, items in value.items()}
        for key, value in data.items()
    }


def batches():
    return [batch(SOURCES, TARGETS, seed) for seed in range(2)]


def train(model, data, **wrapper):
    wrappers = optimizers(model, **wrapper)
    wrappers.initialize_count_status(model, 0, len(data))
    return [model.train_step(step, wrappers) for step in data]


def train_rank():
    register_all_modules()
    states = []
    for options in (OPTIONS, MIXING):
        model = UDADistributedDataParallel(build(**options))
        train(model, [part(data, get_rank()) for data in batches()])
        states.append(model.module.state_dict())
    return states


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(train_rank, tmp_path_factory.mktemp('ranks'))


def test_two_processes_equal_one_with_twice_the_batch(ranks):
    model = build(**OPTIONS)
    train(model, batches())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, ranks[0][0][name], rtol=0, atol=1e-6, msg=name
        )


def test_parameters_are_bit_equal_over_ranks(ranks):
    first, second = (states[1] for states in ranks)
    for name, value in first.items():
        assert 'running' in name or torch.equal(value, second[name]), name


def test_scaled_losses_give_the_same_weights():
    plain, scaled = build(**MIXING), build(**MIXING)
    train(plain, batches())
    train(scaled, batches(), **SCALED)
    torch.testing.assert_close(
        plain.state_dict(), scaled.state_dict(), rtol=1e-4, atol=1e-5
    )


def test_bfloat16_losses_stay_near_those_of_single_precision():
    plain = train(build(**MIXING), batches()[:1])[0]
    half = train(build(**MIXING), batches()[:1], **BF16)[0]
    for name in ('decode.loss_ce', 'aux.loss_ce'):
        assert half[name].dtype == torch.float32
        assert half[name].item() == pytest.approx(plain[name].item(), rel=0.05)
