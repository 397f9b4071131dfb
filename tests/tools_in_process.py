"""Tools run in this process, to save the imports."""

import runpy
import sys

import demo_data

from mmuda.utils.cli import run_tool


def load_tool(name):
    """Functions of a tool, by its path below ``tools``."""
    return runpy.run_path(str(demo_data.ROOT / 'tools' / name))


def run_loaded(tool, words, monkeypatch, capsys):
    """Run a loaded tool; return its exit code and what it printed."""
    monkeypatch.setattr(sys, 'argv', ['tool', *map(str, words)])
    # Tables are as wide as they need to be.
    monkeypatch.setenv('COLUMNS', '200')
    capsys.readouterr()
    code = run_tool(tool['main'], tool['parse_args']())
    printed = capsys.readouterr()
    return code, printed.out + printed.err
