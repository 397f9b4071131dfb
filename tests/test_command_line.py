"""The command ``mmuda`` before and around the tools that it runs."""

import ast
import os
import re
import runpy
import shlex
import subprocess
import sys

import demo_data
import pytest
import warm_processes

import mmuda
from mmuda.utils.tool_commands import COMMANDS

ROOT = demo_data.ROOT
# Calls the command with the words behind it, and tells what it has imported.
LIGHT = """
import sys
from mmuda_cli import main
code = main()
heavy = {'torch', 'mmengine', 'numpy', 'mmuda'} & {*sys.modules}
print('imported:', *sorted(heavy))
sys.exit(code)
"""
# The same without packages, as if nobody had installed them.
WITHOUT = """
import sys
for name in {missing}:
    sys.modules[name] = None
sys.argv = ['mmuda', 'train', 'gta2cs']
from mmuda_cli import main
sys.exit(main())
"""
# Runs its file where Python finds nothing but the standard library.
HIDDEN = """
import runpy, sys
main = runpy.run_path(sys.argv[1])['main']
sys.argv = ['mmuda', 'train', 'gta2cs']
sys.exit(main())
"""


def light(*words):
    """Run what needs no tool; return exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, '-c', LIGHT, *words],
        env=demo_data.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    output, _, imported = done.stdout.partition('imported:')
    assert imported == '\n'
    return done.returncode, output, done.stderr


@pytest.fixture
def command(tmp_path):
    """Run tools from a folder of their own, with what pip makes of main."""
    script = tmp_path / 'mmuda.py'
    script.write_text('import sys, mmuda_cli\nsys.exit(mmuda_cli.main())\n')
    folder = tmp_path / 'a folder'
    folder.mkdir()

    def run(*words):
        return warm_processes.run(
            [sys.executable, str(script), *map(str, words)],
            env=demo_data.ENVIRONMENT,
            cwd=folder,
            timeout=300,
        )

    return run


def test_help_that_nobody_reads_to_its_end_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [
            *(sys.executable, '-c'),
            'import mmuda_cli, sys; sys.exit(mmuda_cli.main())',
            '--help',
        ],
        env=demo_data.ENVIRONMENT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, '')


@pytest.mark.parametrize('words', [(), ('--help',), ('-h',), ('help',)])
def test_help_imports_nothing_and_names_every_command(words):
    code, output, errors = light(*words)
    assert (code, errors) == (0, '')
    listed = [line.split()[0] for line in output.splitlines() if line[:1]]
    assert listed[0] == 'usage:'
    named = {
        line.split()[0] for line in output.splitlines() if line[:2] == '  '
    }
    assert named == {*COMMANDS}


def test_version_is_that_of_the_package():
    assert light('--version') == (0, f'mmuda {mmuda.__version__}\n', '')


@pytest.mark.parametrize(
    ('word', 'meant'),
    [
        ('trian', " (did you mean 'train' or 'cotrain'?)"),
        ('self_train', " (did you mean 'self-train' or 'train'?)"),
        ('xyz', ''),
    ],
)
def test_mistyped_command_is_told_the_near_ones(word, meant):
    code, output, errors = light(word, 'gta2cs')
    assert (code, output) == (2, '')
    assert errors == (
        f'error: mmuda has no command {word!r}{meant}; mmuda --help lists '
        'them\n'
    )


def test_every_command_has_a_tool_that_says_the_same():
    """The files are there, and are tools, which end with an exit status."""
    assert len({c.tool for c in COMMANDS.values()}) == len(COMMANDS)
    for name, entry in COMMANDS.items():
        text = (ROOT / 'tools' / entry.tool).read_text()
        assert ast.get_docstring(ast.parse(text)), name
        assert "if __name__ == '__main__':\n    sys.exit(" in text, name
        assert entry.summary[0].islower(), name


def test_every_tool_finds_configs_by_name():
    """Those that ask for a config ask in the one way."""
    for path in ROOT.glob('tools/**/*.py'):
        asked = re.search(r"add(_argument)?\(\s*'config',", path.read_text())
        assert asked is None, path


def test_messages_name_tools_as_the_user_calls_them():
    """By ``tool_command``, in the package; docstrings name the files."""
    written = set()
    for path in ROOT.glob('mmuda/**/*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            text = getattr(node, 'value', None)
            if (
                isinstance(node, ast.Constant)
                and isinstance(text, str)
                and '\n' not in text
                and re.search(r'(?<![`_])tools/[a-z_/]+\.py', text)
            ):
                written.add(str(path.relative_to(ROOT)))
    assert written == set()


def test_a_page_lists_the_commands():
    page = (ROOT / 'docs/command_line.md').read_text()
    for name, entry in COMMANDS.items():
        assert f'| `mmuda {name}` | `tools/{entry.tool}` |' in page


def test_a_tool_runs_from_any_folder_with_its_exit_status(command):
    done = command('print-config', 'advent_gta2c')
    assert done.returncode == 2
    assert done.stderr.startswith(
        'error: advent_gta2c: no such config file (did you mean '
        "'advent_gta2cs', "
    )
    assert command('print-config', 'advent_gta2cs').returncode == 0


def test_usage_is_that_of_the_command(command):
    done = command('print-config')
    assert done.returncode == 2
    assert done.stderr.startswith('usage: mmuda print-config [-h]')


def test_the_package_is_the_command_too(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'mmuda', 'select'],
        env=demo_data.ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('usage: python -m mmuda select [-h]')


@pytest.mark.parametrize(
    ('missing', 'expected'),
    [
        (['mmseg'], ': pip install onedl-mmsegmentation'),
        (
            ['mmcv', 'mmseg'],
            '. Type\n  pip install onedl-mmcv onedl-mmsegmentation',
        ),
        (
            ['torch', 'mmseg'],
            '. Type\n  pip install "torch>=2.6"\n'
            '  pip install onedl-mmsegmentation',
        ),
    ],
)
def test_all_that_is_missing_is_named_at_once(missing, expected):
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT.format(missing=missing)],
        env=demo_data.ENVIRONMENT | dict(MMUDA_TRACEBACK='0'),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    needs = [f'{name}, which is not installed' for name in missing]
    assert done.stderr == f'error: mmuda needs {"; ".join(needs)}{expected}\n'


def test_a_folder_that_hides_the_package_is_named(tmp_path):
    """That of the demo's wheel beside an editable installation."""
    (tmp_path / 'mmuda/.mim/demo').mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, '-S', '-c', HIDDEN, str(ROOT / 'mmuda_cli.py')],
        env=os.environ | dict(PYTHONPATH=str(tmp_path), MMUDA_TRACEBACK='0'),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.endswith('type: pip uninstall mmuda-demo\n')


def test_hints_name_the_command_that_was_used(command, tmp_path):
    """A training by ``mmuda train`` says what to type to test it."""
    data = demo_data.write(tmp_path / 'data')
    options = demo_data.options(data, max_iters=2)
    done = command(
        *('train', 'demo_advent_gta2cs', '--gpus', 2, '--cfg-options'),
        *(f'{key}={value}' for key, value in options.items()),
    )
    assert done.returncode == 0, done.stderr
    # Two processes, one of which tells.
    assert done.stdout.count('Train AdvEnt\n') == 1
    assert '2 processes\n' in done.stdout
    hints = re.findall('^(?:Test|Continue): +(.*)', done.stdout, re.M)
    folder = tmp_path / 'a folder/work_dirs/demo/demo_advent_gta2cs'
    file = str(folder / 'demo_advent_gta2cs.py')
    testing, continuing = map(shlex.split, hints)
    # A finished training goes on for longer only.
    longer = ['--cfg-options', 'train_cfg.max_iters=MORE']
    assert continuing == ['mmuda', 'train', file, '--resume', *longer]
    assert testing == ['mmuda', 'test', file, str(folder / 'iter_2.pth')]
    tested = command(*testing[1:])
    assert tested.returncode == 0, tested.stderr
    assert 'cityscapes/mIoU: ' in tested.stdout


def test_gpus_start_the_processes_alone(command):
    done = command('train', 'gta2cs', '--gpus', '2', '--launcher', 'slurm')
    assert done.returncode == 2
    assert done.stderr == (
        'error: --gpus 2 starts the processes itself; leave --launcher slurm '
        'out\n'
    )


_OUTPUTS = re.compile(
    r"add(?:_argument)?\(\s*'(--(?:out|work-dir|out-config|show-dir|ratios))'"
)


def test_every_output_must_have_a_name(monkeypatch, capsys):
    """A variable of the shell that is empty is not the folder one is in."""
    asked = 0
    for path in sorted(ROOT.glob('tools/**/*.py')):
        text = path.read_text()
        words = [path.name, *['sample'] * ('add_subparsers' in text)]
        for option in set(_OUTPUTS.findall(text)):
            parse = runpy.run_path(str(path))['parse_args']
            monkeypatch.setattr(sys, 'argv', [*words, option, ''])
            with pytest.raises(SystemExit) as stopped:
                parse()
            told = f'argument {option}: must name a file or folder\n'
            printed = capsys.readouterr().err
            assert stopped.value.code == 2, path
            assert printed.endswith(told), (path, printed)
            asked += 1
    assert asked >= 15
