"""Methods of the demo run side by side, in processes of their own."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tools_in_process import load_tool

import demo.runs
from demo import DemoSettings, named_lines, run_methods
from demo.runs import RESULT, finished, method_folder
from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import Command

METHODS = load_tool('demo.py')['METHODS']
FIRST, LATER = ['source-only', 'MinEnt', 'AdvEnt'], ['ESL', 'MTKT']


@pytest.fixture
def settings(tmp_path):
    return DemoSettings(METHODS, tmp_path / 'data', tmp_path / 'out', 4, 4, 4)


@pytest.fixture
def runs(monkeypatch):
    """Commands that were run; a code for the name of a method may be set."""
    told, codes = [], {}

    def run(commands):
        told.append([c.arguments[0] for c in commands if c.arguments])
        for command in commands:
            name, settings = command.arguments
            if not codes.get(name):
                folder = method_folder(settings, name)
                folder.mkdir(parents=True, exist_ok=True)
                print_of = demo.runs._fingerprint(settings, name)
                (folder / RESULT).write_text(
                    json.dumps(dict(fingerprint=print_of, name=name))
                )
        told[-1] = [command.arguments[0] for command in commands]
        return [codes.get(name, 0) for name in told[-1]]

    monkeypatch.setattr(demo.runs, 'run_side_by_side', run)
    monkeypatch.setattr(demo.runs, 'usable_cores', lambda: 2)
    return told, codes


def run(settings):
    return run_methods(
        settings, lambda name: Command(Path('demo.py'), (name, settings))
    )


def test_methods_wait_for_those_they_start_from(settings, runs):
    results = run(settings)
    assert runs[0] == [FIRST, LATER]
    assert [result['name'] for result in results.values()] == [*METHODS]


def test_with_one_core_they_take_turns(settings, runs, monkeypatch):
    monkeypatch.setattr(demo.runs, 'usable_cores', lambda: 1)
    run(settings)
    assert runs[0] == [[name] for name in FIRST + LATER]


def test_finished_methods_are_not_run_again(settings, runs, capsys):
    run(settings)
    run(settings)
    assert runs[0][2:] == [[], []]
    assert capsys.readouterr().out.count('done before, see ') == len(METHODS)


def test_what_starts_from_a_changed_method_is_run_again(settings, runs):
    run(settings)
    own = settings.out / METHODS['AdvEnt'].name
    own.write_text(
        f"_base_ = '{METHODS['AdvEnt']}'\nrandomness = dict(seed=7)\n"
    )
    several = METHODS['MTKT']
    own.with_name(several.name).write_text(f"_base_ = '{several}'\n")
    changed = replace(settings, configs=dict(METHODS, AdvEnt=own))
    left = [name for name in METHODS if not finished(changed, name)]
    assert left == ['AdvEnt', 'ESL']


@pytest.mark.parametrize('code', [130, 143, -9])
def test_a_stopped_method_stops_the_demo(settings, runs, code):
    runs[1]['MinEnt'] = code
    with pytest.raises(KeyboardInterrupt):
        run(settings)
    assert runs[0] == [FIRST]


def test_a_method_that_fails_is_named(settings, runs):
    runs[1]['AdvEnt'] = 2
    with pytest.raises(ConfigError, match=r'^AdvEnt ended with 2'):
        run(settings)
    assert finished(settings, 'MinEnt')['name'] == 'MinEnt'


def test_lines_begin_with_a_name(capsys):
    with named_lines('MinEnt '):
        assert not sys.stdout.isatty()
        print('a\nb', end='')
        print('c', file=sys.stderr)
        assert capsys.readouterr() == ('MinEnt  a\n', 'MinEnt  c\n')
        print('c')
        print('rest', end='')
    print('d')
    assert capsys.readouterr().out == 'MinEnt  bc\nMinEnt  rest\nd\n'
