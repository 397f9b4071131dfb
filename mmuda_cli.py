# Copyright (c) mmuda authors.
"""The command ``mmuda``: one of its tools, from any folder.

Beside the package, not in it: the import of the package takes seconds, which
help, the version and a mistyped command need not wait for.
"""

import difflib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).resolve().with_name('mmuda')
_USAGE_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_NOT_READ = 141  # 128 + SIGPIPE
# Its folder below mmuda/ comes first, and has no __init__.py.
_HIDDEN = (
    'mmuda-demo is installed beside an editable mmuda, which has all of it, '
    'and hides it; type: pip uninstall mmuda-demo'
)


def main(program: str = 'mmuda') -> int:
    """Run the command of ``sys.argv``.

    Args:
        program: What the user has typed before it.

    Returns:
        The exit status, unless the tool has ended the program with its own.
    """
    try:
        status = _run(program, sys.argv[1:])
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever reads has enough, as of "| head"; at its end Python flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOT_READ
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr, flush=True)
        return _INTERRUPTED


def _run(program: str, words: Sequence[str]) -> int:
    table = _read('utils/tool_commands.py', '_mmuda_tool_commands')
    if words[:1] == ['help']:
        words = [*words[1:2], '--help']
    if not words or words[0] in ('-h', '--help'):
        print(_help(program, table))
        return 0
    if words[0] in ('-V', '--version'):
        version = _read('version.py', '_mmuda_version').__version__
        print(f'mmuda {version}')
        return 0
    if words[0] not in table.COMMANDS:
        return _unknown(program, words[0], [*table.COMMANDS])
    return _run_tool(program, words, table)


def _unknown(program: str, word: str, commands: Sequence[str]) -> int:
    close = difflib.get_close_matches(word.replace('_', '-'), commands)
    meant = ''
    if close:
        text = _read('utils/text.py', '_mmuda_text')
        meant = f' (did you mean {text.alternatives(close)}?)'
    print(
        f'error: mmuda has no command {word!r}{meant}; {program} --help lists '
        'them',
        file=sys.stderr,
    )
    return _USAGE_ERROR


def _run_tool(program: str, words: Sequence[str], table: ModuleType) -> int:
    """Run the file of a tool as the program."""
    name = words[0]
    tool = table.tools_folder() / table.COMMANDS[name].tool
    if not tool.is_file():
        print(f'error: {name} is in {table.DEMO_PACKAGE}', file=sys.stderr)
        return _USAGE_ERROR
    os.environ[table.PROGRAM] = program
    module = ModuleType('__main__')
    module.__file__ = str(tool)
    # Processes that load data import the program anew, where they don't fork.
    sys.modules['__main__'] = module
    sys.argv = [f'{program} {name}', *words[1:]]
    try:
        # Here, as it names what is to be installed.
        import mmuda

        if mmuda.__file__ is None:
            raise ImportError(_HIDDEN)
    except ImportError as error:
        if os.environ.get('MMUDA_TRACEBACK') == '1':
            raise
        print(f'error: {error}{_remedy(error)}', file=sys.stderr)
        return _USAGE_ERROR
    SourceFileLoader('__main__', str(tool)).exec_module(module)
    return 0


def _remedy(error: ImportError) -> str:
    """What to type for a package that pip would have brought."""
    if not isinstance(error, ModuleNotFoundError):
        return ''
    return '; in a clone of mmuda, pip install . brings what is missing'


def _help(program: str, table: ModuleType) -> str:
    width = max(map(len, table.COMMANDS)) + 2
    lines = [
        f'  {name:{width}}{command.summary}'
        for name, command in table.COMMANDS.items()
        if (table.tools_folder() / command.tool).is_file()
    ]
    return '\n'.join(
        [
            f'usage: {program} COMMAND ...',
            '',
            'Unsupervised domain adaptation of semantic segmentation.',
            '',
            *lines,
            '',
            f'{program} COMMAND --help lists the options of a command.',
            'CONFIG is a file, or the name of one that comes with mmuda, such '
            'as advent_gta2cs.',
            f'All tools, converters too: {table.tools_folder()}',
        ]
    )


def _read(file: str, name: str) -> ModuleType:
    """A module of the package, which is not imported itself."""
    module = ModuleType(name)
    path = str(_PACKAGE / file)
    module.__file__ = path
    # Classes look for their module.
    sys.modules[name] = module
    SourceFileLoader(name, path).exec_module(module)
    return module
