"""Systems without some of the signals, as Windows."""

import signal

import pytest

from mmuda.engine.loops import signal_afterwards
from mmuda.hooks import GracefulStopHook
from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import Command, ending_of, run_side_by_side
from mmuda.utils.signals import hangup_to_handle


@pytest.fixture
def no_hangup(monkeypatch):
    monkeypatch.delattr(signal, 'SIGHUP')


def test_a_closed_terminal_is_handled_unless_it_is_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert hangup_to_handle() is signal.SIGHUP
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert hangup_to_handle() is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures('no_hangup')
def test_there_may_be_no_such_signal():
    assert hangup_to_handle() is None


@pytest.mark.usefixtures('no_hangup')
def test_trainings_stop_by_the_signals_that_there_are():
    hook = GracefulStopHook()
    assert hook.signals == [signal.SIGINT, signal.SIGTERM]
    with pytest.raises(ConfigError, match='SIGHAP'):
        GracefulStopHook(signals=['SIGHAP'])


@pytest.mark.usefixtures('no_hangup')
def test_tools_run_side_by_side_without_it(tmp_path):
    (tmp_path / 'tools').mkdir()
    tool = tmp_path / 'tools' / 'ends.py'
    tool.write_text('import sys; sys.exit(3)')
    assert run_side_by_side([Command(tool, [])]) == [3]


def test_a_killed_process_is_told_of_without_sigkill(monkeypatch):
    number = signal.SIGKILL
    monkeypatch.delattr(signal, 'SIGKILL')
    text = ending_of(-number, 'see the log', 'take fewer')
    assert 'memory has run out' in text


@pytest.mark.parametrize('there_is', [True, False])
def test_deaths_of_processes_are_handled_where_they_are_signalled(
    there_is, monkeypatch
):
    received = []
    before = signal.signal(signal.SIGCHLD, lambda *_: received.append('now'))
    number = signal.SIGCHLD
    if not there_is:
        monkeypatch.delattr(signal, 'SIGCHLD')
    try:
        with signal_afterwards('SIGCHLD') as handle:
            signal.raise_signal(number)
            assert received == ([] if there_is else ['now'])
        handle()
        assert received == ['now']
    finally:
        signal.signal(number, before)
