"""Tools that end in an error, run in this process to save the imports."""

import runpy
import signal
import sys
import uuid

import demo_data
from mmengine.logging import MMLogger

from mmuda.utils.cli import run_tool

CONFIG = demo_data.ROOT / 'configs' / 'demo' / 'demo_advent_gta2cs.py'
_TOOLS = {
    name: runpy.run_path(str(demo_data.ROOT / 'tools' / name))
    for name in (
        'train.py',
        'test.py',
        'generate_pseudo_labels.py',
        'self_train.py',
    )
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def error_of(tool, words, options, monkeypatch, capfd):
    """Run a tool that must end in one line; return it and all output."""
    # Runs of one name would share a logger, and its closed streams; so would
    # tools that make none.
    MMLogger.get_instance(uuid.uuid4().hex)
    options = options | {'experiment_name': uuid.uuid4().hex}
    words = [tool, *words, '--cfg-options']
    words += [f'{k}={v}'.replace(' ', '') for k, v in options.items()]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in words])
    # After an error a training leaves its handlers to the exit.
    handlers = [signal.getsignal(number) for number in _SIGNALS]
    try:
        code = run_tool(_TOOLS[tool]['main'], _TOOLS[tool]['parse_args']())
    finally:
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            signal.signal(number, handler)
    printed = capfd.readouterr()
    lines = printed.err.splitlines()
    errors = [line for line in lines if line.startswith('error: ')]
    assert code == 2
    assert errors == lines[-1:]
    assert 'Traceback' not in printed.out + printed.err
    return errors[0], printed.out + printed.err


def before_training(result):
    """The error of a run that has not trained."""
    error, output = result
    assert 'Iter(train)' not in output
    return error


def truncate(path):
    """Cut a file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
