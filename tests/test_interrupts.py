"""Signals at moments other than training, as a user sends them."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import demo_data
import pytest
from demo_data import ENVIRONMENT
from test_tools_train_and_test import (
    CONFIG,
    command,
    overrides,
    start_training,
    wait_for,
)

from mmuda.utils.compat import load_checkpoint_file

TOOLS = sorted(demo_data.ROOT.glob('tools/**/*.py'))


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: path.name)
def test_every_tool_imports_mmuda_first(path):
    lines = path.read_text().splitlines()
    first = next(x for x in lines if x.startswith(('import ', 'from ')))
    assert first.startswith('import mmuda ')


TOOL = ('tools/test.py', '--help')
# What pip makes of the entry point.
COMMAND = ('-c', 'import sys, mmuda_cli; sys.exit(mmuda_cli.main())', 'test')


@pytest.mark.parametrize(
    ('library', 'words'),
    [('libtorch', TOOL), ('cv2', TOOL), ('cv2', COMMAND)],
)
def test_interrupt_of_the_imports_is_one_line(library, words):
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while library not in Path(f'/proc/{process.pid}/maps').read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ''
    assert errors.splitlines()[-1] == 'interrupted'
    assert 'Traceback' not in errors


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('interrupts'))


@pytest.mark.slow
def test_training_whose_terminal_is_closed_saves(data, tmp_path):
    many = {
        'train_cfg.max_iters': 10**5,
        'train_cfg.val_interval': 10**5,
        'param_scheduler.1.end': 10**5 + 1,
    }
    words = command(
        'train.py', CONFIG, '--work-dir', tmp_path, *overrides(data, **many)
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execve(words[0], words, ENVIRONMENT)
    drain = threading.Thread(target=read_all, args=(terminal,), daemon=True)
    drain.start()
    wait_for(tmp_path)
    os.kill(process, signal.SIGSTOP)
    os.close(terminal)
    os.kill(process, signal.SIGCONT)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    (log,) = tmp_path.glob('*/*.log')
    last = load_checkpoint_file((tmp_path / 'last_checkpoint').read_text())
    number = last['meta']['iter']
    assert f'SIGHUP: stopped after iteration {number};' in log.read_text()


@pytest.mark.slow
def test_a_signal_reaches_all_processes_that_a_tool_has_started(
    data, tmp_path
):
    process = start_training(tmp_path, data, '--gpus', '2')
    wait_for(tmp_path)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    saved = int(re.search(r'stopped after iteration (\d+)', output)[1])
    assert (tmp_path / f'iter_{saved}.pth').is_file()


def read_all(terminal):
    with suppress(OSError):
        while os.read(terminal, 2**16):
            pass


HANGING = """
import os, sys, time, datetime
from argparse import Namespace
import torch
import torch.distributed as dist
from mmuda.utils.cli import run_tool

def main(args):
    timeout = datetime.timedelta(seconds=2)
    dist.init_process_group('gloo', timeout=timeout)
    if os.environ['RANK'] == '0':
        dist.all_reduce(torch.zeros(1))
    time.sleep(60)

sys.exit(run_tool(main, Namespace(traceback=False)))
"""


@pytest.mark.slow
def test_process_that_does_not_answer_is_one_line(tmp_path):
    (tmp_path / 'hanging.py').write_text(HANGING)
    result = subprocess.run(
        [sys.executable, '-m', 'mmuda.utils.launch', '--standalone']
        + ['--nproc_per_node', '2', tmp_path / 'hanging.py'],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        'stopped: another process does not answer within the time of '
        'env_cfg.dist_cfg.timeout'
    )
    assert 'Traceback' not in result.stderr
