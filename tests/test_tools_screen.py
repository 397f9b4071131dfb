"""What tools show on the screen, and what the files of their logs hold."""

import json
import re
import subprocess
import sys
from functools import partial

import demo_data
import pytest
import warm_processes

from mmuda.engine import UDARunner

CONFIG = demo_data.ROOT / 'configs' / 'demo' / 'demo_advent_gta2cs.py'
TOOLS = sorted((demo_data.ROOT / 'tools').rglob('*.py'))
# Each in turn; libraries speak when they are first imported.
_HELP = """
import contextlib, runpy, sys
for tool in sys.argv[1:]:
    sys.argv = [tool, '--help']
    with contextlib.suppress(SystemExit):
        runpy.run_path(tool, run_name='__main__')
"""


def run(tool, *words, start=warm_processes.run):
    words = [sys.executable, demo_data.ROOT / 'tools' / tool, CONFIG, *words]
    result = start(words, env=demo_data.ENVIRONMENT, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def lines_before(text, first):
    assert first in text
    return text[: text.index(first)].splitlines()


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    data = demo_data.write(tmp_path_factory.mktemp('screen'))
    values = demo_data.options(data)
    return ['--cfg-options', *(f'{k}={v}' for k, v in values.items())]


@pytest.fixture(scope='module')
def trained(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    # Lays out its config.
    start = partial(subprocess.run, capture_output=True, text=True)
    words = ['--work-dir', folder, *options]
    return folder, run('train.py', *words, start=start)


def log_of(folder):
    return next(folder.glob('*/*.log')).read_text()


def test_help_of_no_tool_has_the_noise_of_imports():
    result = subprocess.run(
        [sys.executable, '-c', _HELP, *map(str, TOOLS)],
        env=demo_data.ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert result.stderr == ''
    assert 'mport OneDL' not in result.stdout
    assert len(re.findall('^usage: ', result.stdout, re.M)) == len(TOOLS)


def test_training_shows_few_lines_before_it_begins(trained):
    _, result = trained
    shown = lines_before(result.stdout, 'Iter(train) [1/4]')
    assert len(shown) + len(result.stderr.splitlines()) <= 25
    assert 'mport' not in result.stderr


def test_summary_of_a_training(trained):
    folder, result = trained
    (found,) = re.findall(r'Train AdvEnt\n((?:  .*\n)+)', result.stdout)
    lines = dict(line.split(maxsplit=1) for line in found.splitlines())
    assert lines['config'] == str(CONFIG)
    assert '19 classes' in lines['network']
    source, target = lines['source'], lines['target']
    assert 'GTA5Dataset, 5 images (96x48, seen as 256x144)' in source
    assert '5 images (96x48, seen as 256x128)' in target
    assert lines['validation'] == '2 images (96x48, seen as 256x128)'
    assert lines['length'] == 'iterations 1 to 4, batch 2'
    assert lines['start'] == 'random weights'
    assert lines['output'] == str(folder)


def test_file_of_the_log_is_whole(trained):
    folder, _ = trained
    log = log_of(folder)
    assert len(lines_before(log, 'Iter(train) [1/4]')) > 600
    for part in (
        'System environment',
        'optim_wrapper = dict(',
        'Hooks will be executed',
        'Train AdvEnt',
    ):
        assert part in log
    text = next(folder.glob('*/vis_data/scalars.json')).read_text()
    steps = [json.loads(line)['step'] for line in text.splitlines()]
    assert steps == [1, 2, 2, 3, 4, 4]


def test_warnings_are_on_the_screen_and_in_the_file(trained):
    folder, result = trained
    line = 'training data, source: no label has the classes'
    assert result.stdout.count(line) == log_of(folder).count(line) == 1


def test_testing_shows_few_lines(trained, options, tmp_path):
    checkpoint = trained[0] / 'iter_4.pth'
    result = run('test.py', checkpoint, '--work-dir', tmp_path, *options)
    shown = lines_before(result.stdout, 'Iter(test) [1/2]')
    assert len(shown) + len(result.stderr.splitlines()) <= 15
    assert f'weights    {checkpoint}'.split() in [x.split() for x in shown]
    assert 'optim_wrapper' in log_of(tmp_path)


def test_resumed_training_tells_from_where(trained, options, tmp_path):
    checkpoint = trained[0] / 'iter_2.pth'
    words = ['--resume', checkpoint, '--work-dir', tmp_path]
    result = run('train.py', *words, *options)
    assert f'  start       resumes {checkpoint}\n' in result.stdout
    assert '  length      iterations 3 to 4 (2 done), batch 2\n' in (
        result.stdout
    )


def test_verbose_shows_all(trained, options, tmp_path):
    checkpoint = trained[0] / 'iter_4.pth'
    words = [checkpoint, '--verbose', '--work-dir', tmp_path]
    result = run('test.py', *words, *options)
    assert len(lines_before(result.stdout, 'Iter(test) [1/2]')) > 600


def test_runner_from_python_is_silent_until_it_runs(tmp_path, capfd):
    cfg = demo_data.config(demo_data.write(tmp_path), tmp_path / 'run')
    runner = UDARunner.from_cfg(cfg)
    assert capfd.readouterr().out == ''
    runner.test()
    shown = capfd.readouterr().out
    assert 'Test AdvEnt' in shown
    assert re.search('  weights +those in memory\n', shown)
