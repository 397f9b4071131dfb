"""Networks with SyncBN in two gloo processes, where there is no GPU."""

import copy
import logging

import gloo
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from small_leaves import batch_of, load, small_model
from torch import nn

from mmuda.models import UDADistributedDataParallel
from mmuda.utils.setup_env import register_all_modules

# The one network, and all parts of a method around two of it.
SOURCE_ONLY = 'daformer/source_only_daformer_gta2cs.py'
LEAVES = [SOURCE_ONLY, 'mic/mic_gta2cs.py', 'dacs/dacs_gta2cs.py']

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='SyncBN stays on GPUs'
)


def norms_of(model):
    return sum(isinstance(m, nn.SyncBatchNorm) for m in model.modules())


def step(leaf, model, rank):
    """Logs of a step with one image of each domain."""
    data = {
        key: {name: [items[rank]] for name, items in domains.items()}
        for key, domains in batch_of(leaf).items()
    }
    config = copy.deepcopy(load(leaf).optim_wrapper)
    torch.manual_seed(rank)
    optimizers = build_optim_wrapper(model, config)
    return model.train_step(data, optimizers)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        """Keep a line."""
        self.lines.append(record.getMessage())


def train_rank(leaf):
    register_all_modules()
    model = small_model(leaf)
    synchronised = norms_of(model)
    seen = Lines()
    logger = MMLogger.get_current_instance()
    # Processes other than the first show errors only.
    logger.setLevel(logging.WARNING)
    logger.addHandler(seen)
    wrapped = UDADistributedDataParallel(model)
    # As a training loop does.
    model.train()
    logs = step(leaf, wrapped, get_rank())
    lines = [line for line in seen.lines if 'SyncBN' in line]
    return synchronised, norms_of(model), lines, logs, model.state_dict()


@pytest.fixture(scope='module', params=LEAVES)
def ranks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return request.param, gloo.run(train_rank, folder, request.param)


def test_they_train_and_say_so_in_one_line(ranks):
    for synchronised, left, lines, logs, _ in ranks[1]:
        assert synchronised > 0 == left
        assert lines == [
            f'No GPU: {synchronised} batch norms are not synchronised '
            '(SyncBN); their statistics are those of the images of each '
            'process'
        ]
        losses = [v for name, v in logs.items() if 'loss' in name]
        assert losses
        assert torch.stack(losses).isfinite().all()


def test_parameters_are_one_and_statistics_each_process_s_own(ranks):
    _, ((*_, first), (*_, second)) = ranks
    trained = [name for name in first if name.startswith('segmentor.')]
    means = {name for name in trained if name.endswith('running_mean')}
    assert means
    alike = {n for n in trained if torch.equal(first[n], second[n])}
    counted = {n for n in trained if '.running_' in n}
    assert alike == {*trained} - counted
    assert means < counted


# The others draw classes to paste among those of all processes.
@pytest.mark.parametrize('ranks', [SOURCE_ONLY], indirect=True)
def test_statistics_are_those_of_one_process_with_the_same_image(ranks):
    leaf, results = ranks
    for rank, (*_, found) in enumerate(results):
        model = revert_sync_batchnorm(small_model(leaf)).train()
        step(leaf, model, rank)
        for name, value in model.named_buffers():
            if 'running' in name and name.startswith('segmentor.'):
                torch.testing.assert_close(value, found[name], msg=name)
