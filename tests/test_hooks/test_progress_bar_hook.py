import re
import sys
from pathlib import Path

import demo_data
import pytest
from tiny_runs import runner

from demo import DemoSettings
from demo.runs import demo_config
from mmuda.hooks import ProgressBarHook
from mmuda.utils.errors import ConfigError


def force(value=True):
    return [dict(type='ProgressBarHook', force=value)]


def streams(run):
    """What the log lines of a run are written to."""
    return [getattr(h, 'stream', None) for h in run.logger.handlers]


def test_bar_shows_iterations_and_losses(tmp_path, capsys):
    runner(tmp_path, 3, force()).train()
    shown = capsys.readouterr().out
    assert '3/3' in shown
    assert 'loss.segmentor' in shown.replace('\n', '')


def test_nothing_is_shown_without_a_terminal(tmp_path, capsys):
    runner(tmp_path, 2, force(False)).train()
    assert '2/2' not in capsys.readouterr().out


def test_lines_without_a_terminal(tmp_path, capsys):
    hook = dict(type='ProgressBarHook', line_interval=2)
    runner(tmp_path, 5, [hook]).train()
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if ' left ' in line]
    form = r'0:00:\d\d left (\d)/5 loss.segmentor \d+\.\d{3}'
    assert [re.match(form, line)[1] for line in lines] == ['2', '4', '5']
    assert '\x1b' not in shown


def test_negative_interval_of_lines():
    with pytest.raises(ConfigError, match='line_interval=-1'):
        ProgressBarHook(line_interval=-1)


def test_demo_forces_no_bar_into_files():
    name = 'demo_minent_efficientnet-lite0_gta2cs_150.py'
    config = demo_data.ROOT / 'demo/configs' / name
    settings = DemoSettings(
        {'MinEnt': config}, Path('data'), Path('out'), 16, 16, 6, max_iters=40
    )
    hooks = demo_config(settings, 'MinEnt').custom_hooks
    (bar,) = [hook for hook in hooks if hook.type == 'ProgressBarHook']
    assert 'force' not in bar
    assert bar.line_interval == 4


def test_resumed_bar_starts_where_training_does(tmp_path, capsys):
    runner(tmp_path, 2).train()
    runner(tmp_path, 3, force(), resume=True).train()
    shown = capsys.readouterr().out
    assert '3/3' in shown
    # The 30th of November is no iteration.
    assert not re.search(r'\b1/3\b', shown)


def test_output_stream_is_restored(tmp_path):
    before = sys.stdout
    run = runner(tmp_path, 1, force())
    run.train()
    assert sys.stdout is before
    assert before in streams(run)


def test_log_lines_pass_through_the_bar(tmp_path):
    run = runner(tmp_path, 1, force())
    hook = next(h for h in run.hooks if hasattr(h, 'force'))
    before = sys.stdout
    hook.before_train(run)
    try:
        assert sys.stdout is not before
        assert sys.stdout in streams(run)
    finally:
        hook.after_train(run)


def test_end_without_a_start(tmp_path):
    run = runner(tmp_path, 1, force(False))
    hook = next(h for h in run.hooks if hasattr(h, 'force'))
    hook.after_train(run)
    assert sys.stdout in streams(run)
