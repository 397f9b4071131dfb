"""A signal during validation."""

import os
import signal

import demo_data
import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuda.registry import HOOKS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.setup_env import register_all_modules


@HOOKS.register_module(force=True)
class TerminateInValidation(Hook):
    """Sends SIGTERM before the first validation iteration."""

    seen = 0

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        TerminateInValidation.seen += 1
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope='module')
def stopped(tmp_path_factory):
    register_all_modules()
    folder = tmp_path_factory.mktemp('stop')
    data = demo_data.write(folder / 'data')
    changes = {'default_hooks.checkpoint.interval': 100}
    cfg = demo_data.config(data, folder / 'run', **changes)
    cfg.custom_hooks.append(dict(type='TerminateInValidation'))
    TerminateInValidation.seen = 0
    Runner.from_cfg(cfg).train()
    return folder / 'run'


def test_validation_is_left_after_the_running_image(stopped):
    assert TerminateInValidation.seen == 1


def test_checkpoint_counts_the_finished_iterations(stopped):
    checkpoint = load_checkpoint_file(str(stopped / 'iter_2.pth'))
    assert checkpoint['meta']['iter'] == 2
