"""Methods for several targets in two gloo processes against one."""

import gloo
import pytest
import torch
from collaborative_models import METHODS, build
from mmengine.dist import get_rank
from several_targets import optimizers, softly_labelled
from tiny_models import NUM_CLASSES

from mmuda.models import UDADistributedDataParallel
from mmuda.models.uda.collaboration import Phase
from mmuda.utils.setup_env import register_all_modules

ITERATIONS = 2


def batches():
    return [softly_labelled(3, 2, seed) for seed in range(ITERATIONS)]


def part(data, index):
    return {
        key: {domain: [items[index]] for domain, items in value.items()}
        for key, value in data.items()
    }


def train(model, data):
    # Weight decay also moves what has a gradient of zero.
    wrappers = optimizers(model, lr=0.02, momentum=0.9, weight_decay=0.1)
    wrappers.initialize_count_status(model, 0, len(data))
    for step in data:
        model.train_step(step, wrappers)


RECOMPUTED = dict(segmentor=dict(recompute_features=True))
RESTING = dict(norm_eval=True, phase=Phase(distils=False))
# The main heads run without a loss, and so does the last layer.
BY_AUX = RESTING | dict(
    adversarial_weights=dict(aux=0.1),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['aux'],
        in_channels=NUM_CLASSES,
        base_channels=4,
    ),
)
CASES = {method: (method, dict(norm_eval=True)) for method in METHODS} | {
    'MTKT resting': ('MTKT', RESTING),
    'MTKT by aux': ('MTKT', BY_AUX),
    'CoaST live': ('CoaST', {}),
    'CoaST recomputed': ('CoaST', RECOMPUTED),
    'MLCL live': ('MLCL', {}),
    'MLCL recomputed': ('MLCL', RECOMPUTED),
}


def train_rank():
    """Final states of all cases: processes take long to start."""
    register_all_modules()
    states = {}
    for name, (method, changes) in CASES.items():
        model = UDADistributedDataParallel(build(method, 3, **changes))
        train(model, [part(step, get_rank()) for step in batches()])
        states[name] = model.module.state_dict()
    return states


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(train_rank, tmp_path_factory.mktemp('ranks'))


@pytest.mark.parametrize('case', [*METHODS, 'MTKT resting', 'MTKT by aux'])
def test_two_processes_equal_one_with_twice_the_batch(ranks, case):
    method, changes = CASES[case]
    model = build(method, 3, **changes)
    train(model, batches())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, ranks[0][case][name], rtol=0, atol=1e-6, msg=name
        )


@pytest.mark.parametrize('method', METHODS)
def test_parameters_are_bit_equal_over_ranks(ranks, method):
    for name, value in ranks[0][method].items():
        assert torch.equal(value, ranks[1][method][name]), name


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_recomputed_features_change_nothing(ranks, method):
    expected = ranks[0][f'{method} live']
    for name, value in ranks[0][f'{method} recomputed'].items():
        torch.testing.assert_close(value, expected[name], msg=name)
