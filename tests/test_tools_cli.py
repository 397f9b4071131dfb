import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm_processes

ROOT = Path(__file__).resolve().parents[1]


def run(*command, cwd=None, **variables):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), **variables}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def run_tool(name, *arguments):
    return warm_processes.run(
        [sys.executable, ROOT / 'tools' / name, *arguments]
    )


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        "default_scope = 'mmuda'\n"
        "model = dict(type='UDAEncoderDecoder', auxillary_head=None)\n"
        "train_dataloader = dict(dataset=dict(data_root='data/gta'))\n"
        "test_dataloader = dict(dataset=dict(data_root='data/cityscapes'))\n"
    )
    return path


@pytest.mark.parametrize(
    'name', ['train.py', 'test.py', 'misc/print_config.py']
)
def test_help(name):
    result = run(sys.executable, ROOT / 'tools' / name, '--help')
    assert result.returncode == 0
    assert '--cfg-options' in result.stdout


def test_misspelt_key_is_one_line_on_stderr(config_file, tmp_path):
    result = run_tool('train.py', config_file, '--work-dir', tmp_path / 'out')
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        'error: model.auxillary_head: UDAEncoderDecoder takes no '
        "'auxillary_head' (did you mean 'auxiliary_head'?)"
    )


def test_ensemble_needs_a_weight_for_each_checkpoint():
    config_file = ROOT / 'configs/demo/demo_advent_gta2cs.py'
    result = run_tool(
        'test.py', config_file, 'a.pth', 'b.pth', '--weights', '1'
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        'error: 2 checkpoints need as many weights, got 1'
    )


def test_config_is_printed_with_options_merged(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('train_cfg = dict(max_iters=10)\n')
    tool = ROOT / 'tools' / 'misc' / 'print_config.py'
    options = ['--cfg-options', 'train_cfg.max_iters=7']
    result = run(sys.executable, tool, path, *options)
    assert result.returncode == 0
    assert 'train_cfg = dict(max_iters=7)' in result.stdout


@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_script_without_arguments_shows_its_usage(script):
    result = run(ROOT / 'tools' / script)
    assert result.returncode == 2
    assert result.stderr.startswith('usage: ')


def test_slurm_script_passes_arguments_whole(tmp_path):
    # Stands in for the cluster's command and writes what it was given.
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    result = run(
        ROOT / 'tools' / 'slurm_train.sh',
        'my partition',
        'job',
        'my config.py',
        '--seed',
        '1',
        PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
        GPUS='8',
        SRUN_ARGS='--qos low',
    )
    words = result.stdout.splitlines()
    assert words[0] == '--partition=my partition'
    assert '--ntasks=8' in words
    assert '--qos' in words
    expected = ['my config.py', '--seed', '1', '--launcher', 'slurm']
    assert words[-5:] == expected


def test_processes_on_cpus_end_with_the_users_error(config_file, tmp_path):
    python = Path(sys.executable).parent
    result = run(
        ROOT / 'tools' / 'dist_train.sh',
        config_file,
        '2',
        '--work-dir',
        tmp_path / 'out put',
        cwd=tmp_path,
        PATH=f'{python}{os.pathsep}{os.environ["PATH"]}',
        PORT='0',
    )
    assert result.returncode != 0
    assert "takes no 'auxillary_head'" in result.stderr
