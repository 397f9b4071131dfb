"""Folders that one run at a time writes to."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from demo_data import ENVIRONMENT
from forked import forked, on_full_disk

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_path, remove_dead_temporaries
from mmuda.utils.locks import is_locked, locked_folder
from mmuda.utils.processes import is_alive


def hold(tell, folder):
    """Hold a lock, and leave it for a second to a process of its own."""
    sys.argv = ['train.py', 'a config.py']
    held = locked_folder(folder, '--out')
    subprocess.Popen(['sleep', '2'], close_fds=False)
    tell('locked')
    time.sleep(60)
    held.close()


def write(tell, path):
    """Write without an end."""
    with atomic_path(path):
        tell('writing')
        time.sleep(60)


def test_folder_of_another_process_is_refused_by_its_name(tmp_path):
    with forked(hold, tmp_path) as (holder, _):
        expected = (
            rf"--work-dir: another process works in '{tmp_path}' "
            rf'\(process {holder.pid} on {socket.gethostname()} since '
            r"20\d\d-.*: train\.py 'a config\.py'\); wait for it, end it or "
            'choose'
        )
        with pytest.raises(ConfigError, match=expected):
            locked_folder(tmp_path, '--work-dir')


def test_holder_with_a_long_name_in_other_letters(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['train.py', '\U0001f697' * 400])
    with (
        locked_folder(tmp_path, '--out'),
        pytest.raises(ConfigError, match=rf'\(process {os.getpid()} on'),
    ):
        locked_folder(tmp_path, '--out')


def test_what_a_killed_run_has_started_is_waited_for(tmp_path, capfd):
    with forked(hold, tmp_path) as (holder, _):
        pass
    assert is_locked(tmp_path)
    locked_folder(tmp_path, '--out').close()
    error = capfd.readouterr().err
    assert error.count('warning: --out: waiting for what is left') == 1
    assert f'(process {holder.pid} on' in error


def test_free_folder(tmp_path):
    with locked_folder(tmp_path, '--out'):
        assert is_locked(tmp_path)
        content = json.loads((tmp_path / '.lock').read_text())
        assert content['pid'] == os.getpid()
    assert not is_locked(tmp_path)
    locked_folder(tmp_path, '--out').close()


@pytest.mark.parametrize('content', ['', 'no json', '[1]', '{"pid": "x"}'])
def test_damaged_lock_file_is_replaced(tmp_path, content):
    (tmp_path / '.lock').write_text(content)
    with locked_folder(tmp_path, '--out'):
        (tmp_path / '.lock').write_text(content)
        with pytest.raises(ConfigError, match='another process works'):
            locked_folder(tmp_path, '--out')
    locked_folder(tmp_path, '--out').close()


def test_lock_on_a_full_disk_holds_and_closes(tmp_path):
    def lock():
        with locked_folder(tmp_path, '--out'):
            assert is_locked(tmp_path)

    assert on_full_disk(lock, size=0) is None
    assert (tmp_path / '.lock').read_text() == ''


def test_looking_does_not_lock_or_write(tmp_path):
    assert not is_locked(tmp_path / 'none')
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lock_file_that_cannot_be_made(tmp_path):
    (tmp_path / '.lock').mkdir()
    with pytest.raises(ConfigError, match='--out: cannot write to .*lock'):
        locked_folder(tmp_path, '--out')


@pytest.mark.parametrize('folder', ['', 'deep/er'])
def test_temporary_file_of_a_killed_writer_goes_at_the_next_start(
    tmp_path, folder
):
    path = tmp_path / folder / 'iter_2.pth'
    with forked(write, path):
        pass
    (left,) = path.parent.glob('.iter_2.*.pth')
    locked_folder(tmp_path, '--out').close()
    assert not left.exists()


def test_temporary_file_of_a_living_writer_stays(tmp_path):
    with (
        forked(write, tmp_path / 'iter_2.pth'),
        atomic_path(tmp_path / 'own.json') as own,
    ):
        locked_folder(tmp_path, '--out').close()
        assert own.exists()
        assert len(list(tmp_path.glob('.iter_2.*.pth'))) == 1


@pytest.mark.parametrize(
    'name', ['.hidden', 'a.0123abcd.png', '.a.0123abcx.png', '.a.0123abcd']
)
def test_only_temporary_files_are_removed(tmp_path, name):
    (tmp_path / name).touch()
    remove_dead_temporaries(tmp_path)
    # A file without an extension has a temporary one without it.
    assert (tmp_path / name).exists() == (name != '.a.0123abcd')


def wait_for_end(pid, seconds=20):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


PARENT = """
import subprocess, sys
from pathlib import Path
from mmuda.utils.processes import Command, run_side_by_side
run_side_by_side([Command(Path(sys.argv[1]), ())])
"""
CHILD = """
import os, sys, time
from argparse import Namespace
from mmuda.utils.cli import run_tool
def main(args):
    print(os.getpid(), flush=True)
    time.sleep(60)
run_tool(main, Namespace(traceback=False))
"""


def test_child_ends_with_the_tool_that_has_started_it(tmp_path):
    tool = tmp_path / 'tools' / 'child.py'
    tool.parent.mkdir()
    tool.write_text(CHILD)
    process = subprocess.Popen(
        [sys.executable, '-c', PARENT, tool],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert wait_for_end(child)


def test_asking_for_a_process_does_not_end_it_on_windows(monkeypatch):
    signals = []
    monkeypatch.setattr(os, 'kill', lambda *args: signals.append(args))
    monkeypatch.setattr(sys, 'platform', 'win32')
    assert is_alive(12345)
    assert signals == []
