"""What train.py prints at its end works, and continues the same run."""

import re
import shlex
import sys

import demo_data
import pytest
import warm_processes
from demo_data import ENVIRONMENT
from test_tools_train_and_test import overrides

from mmuda.utils.compat import load_checkpoint_file

CONFIG = 'configs/demo/demo_advent_gta2cs.py'


def run(words, code=0):
    result = warm_processes.run(
        words,
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
        timeout=300,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def train(*args, code=0):
    return run([sys.executable, 'tools/train.py', *map(str, args)], code)


def printed(output, name):
    (command,) = re.findall(rf'^{name}: +python (.*)$', output, re.MULTILINE)
    return [sys.executable, *shlex.split(command)]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """A whole run with a seed of its own, and half of it."""
    folder = tmp_path_factory.mktemp('continue')
    data = demo_data.write(folder / 'data')
    whole, half = folder / 'whole', folder / 'half of it ~ñ'
    options = ['--seed', 5, *overrides(data)]
    train(CONFIG, '--work-dir', whole, *options)
    shortened = overrides(data, **{'train_cfg.max_iters': 2})
    output = train(CONFIG, '--work-dir', half, '--seed', 5, *shortened)
    return whole, half, output


def test_printed_test_command_works(runs):
    assert 'cityscapes/mIoU' in run(printed(runs[2], 'Test'))


def test_what_is_finished_says_so_when_it_is_resumed(runs):
    whole, *_ = runs
    output = train(whole / 'demo_advent_gta2cs.py', '--resume')
    assert re.search('  length +all 4 iterations are done, batch ', output)


def test_printed_continue_command_repeats_seed_and_options(runs):
    whole, half, output = runs
    *words, length = printed(output, 'Continue')
    assert length == 'train_cfg.max_iters=MORE'
    run([*words, length.replace('MORE', '4')])
    a, b = (
        load_checkpoint_file(str(folder / 'iter_4.pth'))
        for folder in (whole, half)
    )
    losses = [
        c['message_hub']['log_scalars']['train/loss.segmentor'].data[0]
        for c in (a, b)
    ]
    assert losses[0].tolist() == losses[1].tolist()


def test_another_seed_can_not_continue_a_run(runs):
    whole, *_ = runs
    config = whole / 'demo_advent_gta2cs.py'
    output = train(config, '--resume', '--seed', 6, code=2)
    assert 'was trained with seed 5' in output
