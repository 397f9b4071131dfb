"""What to type for a tool where the user is."""

import ast
import sys

import demo_data
import pytest
from tools_in_process import load_tool

from mmuda.utils.text import alternatives
from mmuda.utils.tool_commands import (
    PROGRAM,
    present_command,
    tool_command,
    tools_folder,
)

TOOLS = demo_data.ROOT / 'tools'


def whole_commands():
    """Calls of ``tool_command`` in the sources with a tool and its words."""
    files = [*TOOLS.parent.glob('mmuda/**/*.py'), *TOOLS.glob('**/*.py')]
    for file in sorted(files):
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(getattr(node, 'func', None), 'id', '')
            if name != tool_command.__name__:
                continue
            words = []
            for arg in node.args:
                spread = getattr(arg, 'value', arg)
                words += getattr(spread, 'elts', [arg])
            values = [getattr(word, 'value', None) for word in words]
            # A tool alone goes on in the message.
            if len(values) > 1 and all(isinstance(v, str) for v in values):
                yield pytest.param(values, id=f'{file.stem}-{node.lineno}')


@pytest.mark.parametrize('words', [*whole_commands()])
def test_what_messages_tell_to_type_is_understood(words, monkeypatch):
    tool, *rest = (
        'advent_gta2cs' if word == 'CONFIG' else word for word in words
    )
    monkeypatch.setattr(sys, 'argv', [tool, *rest])
    load_tool(tool)['parse_args']()


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    monkeypatch.delenv(PROGRAM, raising=False)


def test_folder_of_tools_is_that_of_the_repository():
    assert tools_folder() == TOOLS


def test_tool_by_its_path_from_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(demo_data.ROOT)
    text = tool_command('test.py', 'a config.py', 'iter_4.pth')
    assert text == "python tools/test.py 'a config.py' iter_4.pth"
    monkeypatch.chdir(TOOLS)
    assert tool_command('train.py') == 'python train.py'
    monkeypatch.chdir(tmp_path)
    assert tool_command('misc/check_data.py', '--all') == (
        f'python {TOOLS}/misc/check_data.py --all'
    )


@pytest.mark.parametrize('program', ['mmuda', 'python -m mmuda'])
def test_tool_by_its_command(monkeypatch, tmp_path, program):
    monkeypatch.setenv(PROGRAM, program)
    monkeypatch.chdir(tmp_path)
    text = tool_command('misc/class_statistics.py', 'my config.py')
    assert text == f"{program} stats 'my config.py'"
    # This one has none.
    assert tool_command('model_converters/advent.py', 'a') == (
        f'python {TOOLS}/model_converters/advent.py a'
    )


def test_present_command(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py', 'a config.py'])
    assert present_command() == "tools/train.py 'a config.py'"
    monkeypatch.setenv(PROGRAM, 'mmuda')
    assert present_command() == "tools/train.py 'a config.py'"
    monkeypatch.setattr(sys, 'argv', ['mmuda train', 'a config.py'])
    assert present_command() == "mmuda train 'a config.py'"
    monkeypatch.setattr(sys, 'argv', ['mmuda demo'])
    assert present_command() == 'mmuda demo'


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['a'], "'a'"),
        (['a', 'b'], "'a' or 'b'"),
        (['a', 'b', 'c'], "'a', 'b' or 'c'"),
    ],
)
def test_alternatives(words, text):
    assert alternatives(words) == text
