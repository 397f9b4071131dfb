import importlib.util
import json
from pathlib import Path

import pytest

from mmuda.utils.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONFIG = """
_base_ = [
    '{configs}/_base_/networks/deeplabv2_r18_small.py',
    '{configs}/_base_/methods/minent.py',
    '{configs}/_base_/settings/advent.py',
    '{configs}/_base_/schedules/advent_adversarial.py',
    '{configs}/_base_/default_runtime.py',
]
setting = 'gta2cs'
val_dataloader = dict(num_workers=0, persistent_workers=False)
"""
PARTS = (
    'start_up',
    'speed',
    'steps',
    'memory',
    'loading',
    'image_formats',
    'labels',
    'evaluation',
    'prediction',
    'labelling',
    'labelling_memory',
    'scaling',
    'sampler',
    'several_targets',
    'several_targets_memory',
    'several_targets_evaluation',
    'lab_translation',
    'online_self_training',
)


@pytest.fixture(scope='module')
def tool():
    path = ROOT / 'tools' / 'analysis_tools' / 'benchmark.py'
    spec = importlib.util.spec_from_file_location('benchmark_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def result(tool, tmp_path_factory):
    """All parts, on a machine without any data."""
    folder = tmp_path_factory.mktemp('benchmark')
    config, out = folder / 'minent.py', folder / 'result.json'
    config.write_text(CONFIG.format(configs=ROOT / 'configs'))
    options = f'--config {config} --json {out} --size-factor 0.07 --images 1'
    options += ' --rounds 1 --warmup 0 --device cpu --set-sizes 1 2'
    options += ' --targets 2 --targets-memory 0.07 0.5'
    tool.main(tool.parse_args(options.split()))
    return json.loads(out.read_text())


@pytest.mark.slow
def test_every_part_has_rows(result):
    assert tuple(dict.fromkeys(r['section'] for r in result['rows'])) == PARTS


@pytest.mark.slow
def test_every_value_is_positive(result):
    assert [row['name'] for row in result['rows'] if row['value'] <= 0] == []


@pytest.mark.slow
def test_goals_are_saved(result):
    goals = {r['goal'] for r in result['rows'] if r['section'] == 'memory'}
    assert goals == {1.05, None}


@pytest.mark.slow
def test_the_setting_is_saved(result):
    assert result['setting']['size_factor'] == 0.07


def test_only_the_chosen_part_is_printed(tool, capsys):
    tool.main(tool.parse_args(['--only', 'sampler', '--rounds', '1']))
    out = capsys.readouterr().out
    assert 'jump to iteration 100,000' in out
    assert 'bare forward' not in out


def test_a_part_that_does_not_exist_is_refused(tool, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args(['--only', 'weather'])
    assert 'weather' in capsys.readouterr().err


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 'meta'])
def test_a_device_that_does_not_exist_is_refused(tool, device):
    words = ['--only', 'sampler', '--rounds', '1', '--device', device]
    with pytest.raises(ConfigError, match=f"device '{device}': take cpu"):
        tool.main(tool.parse_args(words))


@pytest.mark.parametrize(('cores', 'processes'), [(1, (1,)), (16, (1, 2))])
def test_one_core_has_nothing_to_scale_to(tool, monkeypatch, cores, processes):
    monkeypatch.setattr(tool, 'usable_cores', lambda: cores)
    assert tool.parse_args([]).processes == processes
