"""Several processes that end in one line and with their exit code."""

import os
import signal
import subprocess
import sys

import pytest
from demo_data import ENVIRONMENT

RANK = """
import os, signal, sys, time
rank, how = int(os.environ['RANK']), sys.argv[1]
os.write(1, b'started\\n')  # at once, whoever writes besides
if how == 'hangup':
    time.sleep(2)
    print('survived', flush=True)
elif rank == 1:
    if how.isdecimal():
        print('error (process 1): what is wrong', file=sys.stderr, flush=True)
        sys.exit(int(how))
    os.kill(os.getpid(), signal.Signals[how])
elif how != '0':
    time.sleep(60)
"""


@pytest.mark.parametrize(
    'options',
    [
        ('--nproc_per_node=0',),
        (
            *('--nnodes=2', '--rdzv_backend=c10d', '--rdzv_endpoint=[::1]:1'),
            '--rdzv_conf=join_timeout=1,timeout=1',
        ),
    ],
)
def test_processes_that_cannot_be_started(tmp_path, options):
    words = [sys.executable, '-m', 'mmuda.utils.launch', *options, 'none.py']
    done = subprocess.run(
        words,
        env=ENVIRONMENT | dict(MMUDA_TRACEBACK='0'),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1].startswith('error: cannot start the processes: ')
    assert 'Traceback' not in done.stderr


def start(tmp_path, how, *before, **variables):
    (tmp_path / 'rank.py').write_text(RANK)
    words = [*before, sys.executable, '-m', 'mmuda.utils.launch']
    words += ['--standalone', '--nproc_per_node', '2']
    return subprocess.Popen(
        [*words, tmp_path / 'rank.py', how],
        env=ENVIRONMENT | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ('how', 'code', 'lines'),
    [
        ('0', 0, ['error (process 1): what is wrong']),
        ('2', 2, ['error (process 1): what is wrong']),
        (
            'SIGKILL',
            128 + signal.SIGKILL,
            [
                'error: process 1 was ended by SIGKILL, perhaps for lack of '
                'memory; --resume continues a training from its last '
                'checkpoint'
            ],
        ),
    ],
)
def test_our_line_is_the_last_and_the_only_one(tmp_path, how, code, lines):
    process = start(tmp_path, how, MMUDA_TRACEBACK='0')
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert [line for line in errors.splitlines() if 'warn' not in line] == (
        lines
    )


def test_all_is_shown_on_request(tmp_path):
    process = start(tmp_path, '2', MMUDA_TRACEBACK='1')
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert 'rank.py FAILED' in errors


def test_signal_ends_all(tmp_path):
    process = start(tmp_path, 'SIGSTOP')
    assert process.stdout.readline() == 'started\n'
    process.terminate()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert 'Traceback' not in errors


def test_nohup_lets_all_outlive_the_terminal(tmp_path):
    process = start(tmp_path, 'hangup', 'nohup')
    assert process.stdout.readline() == 'started\n'
    os.killpg(process.pid, signal.SIGHUP)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.count('survived') == 2
