import argparse
import os
import re

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mmuda.utils.checks import SEED
from mmuda.utils.cli import (
    add_runner_arguments,
    checked,
    config_from_args,
    run_tool,
)
from mmuda.utils.errors import ConfigError, DataError


class BrokenDataset(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise DataError('data/gta/labels/00001.png: no such label')


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_runner_arguments(parser)
    return parser


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / 'advent' / 'gta2cs.py'
    path.parent.mkdir()
    path.write_text(
        'max_iters = 1\n'
        "train_dataloader = dict(dataset=dict(data_root='data/gta'))\n"
    )
    return str(path)


def failing(error):
    def fail(args):
        raise error

    return fail


def arguments(traceback=False):
    return argparse.Namespace(traceback=traceback)


def test_success_is_zero():
    assert run_tool(lambda args: None, arguments()) == 0


def test_exit_code_of_the_tool_is_kept():
    assert run_tool(lambda args: 143, arguments()) == 143


def test_user_error_is_one_line_and_code_two(capsys):
    error = ConfigError('model.x: AdvEnt takes\n  no x')
    assert run_tool(failing(error), arguments()) == 2
    printed = capsys.readouterr()
    assert printed.err == 'error: model.x: AdvEnt takes no x\n'
    assert printed.out == ''


def test_other_process_says_which_it_is(capsys, monkeypatch):
    monkeypatch.setenv('RANK', '3')
    run_tool(failing(ConfigError('no x')), arguments())
    assert capsys.readouterr().err == 'error (process 3): no x\n'


def test_traceback_on_demand(capsys):
    args = arguments(traceback=True)
    assert run_tool(failing(ConfigError('no x')), args) == 2
    printed = capsys.readouterr().err
    assert printed.startswith('Traceback')
    assert printed.endswith('error: no x\n')


def test_variable_asks_for_the_traceback(monkeypatch):
    monkeypatch.setenv('MMUDA_TRACEBACK', '1')
    parser = argparse.ArgumentParser()
    add_runner_arguments(parser)
    assert parser.parse_args([]).traceback is True


def test_error_of_a_loader_process_is_one_line_too(capsys):
    def load(args):
        next(iter(DataLoader(BrokenDataset(), num_workers=1)))

    assert run_tool(load, arguments()) == 2
    assert capsys.readouterr().err == (
        'error: data/gta/labels/00001.png: no such label\n'
    )


def test_interrupt_ends_without_traceback(capsys):
    assert run_tool(failing(KeyboardInterrupt()), arguments()) == 130
    assert capsys.readouterr().err == 'interrupted\n'


def test_any_other_error_is_one_line_with_its_place(capsys):
    error = ZeroDivisionError('division\nby zero')
    assert run_tool(failing(error), arguments()) == 1
    line = capsys.readouterr().err
    assert re.fullmatch(
        r'error: ZeroDivisionError: division by zero '
        r'\(tests/test_utils/test_cli\.py:\d+; --traceback shows more\)\n',
        line,
    )


def test_error_of_the_program_is_not_hidden(capsys):
    args = arguments(traceback=True)
    assert run_tool(failing(ZeroDivisionError('x')), args) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('Traceback')
    assert 'in fail\n    raise error\nZeroDivisionError: x\n' in printed


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (PermissionError(13, 'Permission denied', '/a'), "denied: '/a'"),
        (RecursionError('too deep'), 'nested too deeply'),
        (MemoryError(), 'out of memory'),
        (torch.OutOfMemoryError('CUDA out of memory'), 'CUDA out of memory'),
        (AssertionError(), 'AssertionError'),
    ],
)
def test_errors_of_the_machine_are_one_line(error, line, capsys):
    code = run_tool(failing(error), arguments())
    printed = capsys.readouterr().err
    assert code == (2 if isinstance(error, OSError) else 1)
    assert line in printed
    assert printed.count('\n') == 1


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        ('a=[1,(2', 'cannot read a value'),
        ('a=' + '(' * 3000 + ')' * 3000, 'nested too deeply'),
        ('a', 'expected KEY=VALUE'),
    ],
)
def test_malformed_options_are_usage_errors(text, fault, parser, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(['x.py', '--cfg-options', text])
    assert end.value.code == 2
    assert fault in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize('text', ['-1', '2.5', 'x', '', str(2**40)])
def test_number_out_of_its_range_is_a_usage_error(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--seed', type=checked(SEED))
    assert parser.parse_args(['--seed', '7']).seed == 7
    with pytest.raises(SystemExit):
        parser.parse_args([f'--seed={text}'])
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"--seed: must be {SEED.expected}, not '{text}'" in line


def test_options_are_gathered(parser):
    options = ['--cfg-options', 'a=1', 'b=[2,3]', '--data-root', 'source=s']
    more = ['--cfg-options', 'c.d=e', '--data-root', 'target=t=u']
    args = parser.parse_args(['x.py', *options, *more])
    assert args.cfg_options == {'a': 1, 'b': [2, 3], 'c.d': 'e'}
    assert args.data_root == [('source', 's'), ('target', 't=u')]


@pytest.mark.parametrize('path', ['my data/GTA 5', '/a b', 'ends '])
def test_options_keep_the_spaces_of_a_path(parser, path):
    args = parser.parse_args(['x.py', '--cfg-options', f'a.data_root={path}'])
    assert args.cfg_options == {'a.data_root': path}


def test_lists_of_options_may_have_spaces(parser):
    args = parser.parse_args(['x.py', '--cfg-options', 'a=[1, 2]', 'b=1, x'])
    assert args.cfg_options == {'a': [1, 2], 'b': [1, 'x']}


@pytest.mark.parametrize('flag', ['--cfg-options', '--data-root'])
def test_option_without_value_is_a_usage_error(flag, parser, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(['x.py', flag, 'source'])
    assert end.value.code == 2
    assert '=' in capsys.readouterr().err.splitlines()[-1]


def test_work_dir_of_the_command_line_wins(parser, config_file):
    args = parser.parse_args([config_file, '--work-dir', 'here'])
    assert config_from_args(args).work_dir == 'here'


def test_work_dir_of_the_config_comes_second(parser, config_file):
    args = parser.parse_args(
        [config_file, '--cfg-options', 'work_dir=from_config']
    )
    assert config_from_args(args).work_dir == 'from_config'


def test_work_dir_is_named_after_method_and_config(parser, config_file):
    args = parser.parse_args([config_file])
    assert config_from_args(args).work_dir == 'work_dirs/advent/gta2cs'


def test_data_root_reaches_the_config(parser, config_file):
    args = parser.parse_args([config_file, '--data-root', 'source=s'])
    cfg = config_from_args(args)
    assert cfg.train_dataloader.dataset.data_root == 's'


@pytest.mark.parametrize('flag', ['--local_rank=1', '--local-rank=1'])
def test_local_rank_becomes_a_variable(flag, parser, config_file, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', 'to be restored')
    monkeypatch.delenv('LOCAL_RANK')
    config_from_args(parser.parse_args([config_file, flag]))
    assert os.environ['LOCAL_RANK'] == '1'


def test_error_without_other_processes_is_not_taken_for_theirs(capsys):
    error = RuntimeError('Connection closed by peer')
    run_tool(failing(error), arguments())
    printed = capsys.readouterr().err
    assert printed.startswith('error: RuntimeError: Connection closed by')
