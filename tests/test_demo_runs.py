"""Methods of the demo run side by side, in processes of their own."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from tools_in_process import load_tool

import demo.runs
import demo.side_by_side
from demo import DemoSettings, named_lines, run_method, run_methods
from demo.runs import RESULT, finished, method_folder
from mmuda.utils import threads
from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import Command

TOOL = load_tool('demo.py')
METHODS = TOOL['METHODS']
FIRST, LATER = ['source-only', 'MinEnt', 'AdvEnt'], ['ESL', 'MTKT', 'DACS']


@pytest.fixture
def settings(tmp_path):
    return DemoSettings(METHODS, tmp_path / 'data', tmp_path / 'out', 4, 4, 4)


class Runs:
    """Runs commands without processes; each method ends as it is told to.

    Attributes:
        commands: Lists of those run side by side.
        codes: Exit codes by the method; 0 if there is none.
    """

    def __init__(self, settings):
        self.settings, self.commands, self.codes = settings, [], {}

    def __call__(self, commands):
        self.commands.append(commands)
        names = [command.arguments[1] for command in commands]
        for name in set(names) - set(self.codes):
            finish(self.settings, name)
        return [self.codes.get(name, 0) for name in names]

    @property
    def names(self):
        return [[c.arguments[1] for c in wave] for wave in self.commands]


def finish(settings, name):
    result = dict(
        fingerprint=demo.runs._fingerprint(settings, name),
        metrics={'mIoU': 10.0},
        seconds=1.0,
        checkpoint=f'{name}.pth',
    )
    folder = method_folder(settings, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).write_text(json.dumps(result))


def use_cores(monkeypatch, count):
    for module in (threads, demo.side_by_side):
        monkeypatch.setattr(module, 'usable_cores', lambda: count)
    monkeypatch.setattr(threads, '_IS_GIVEN', False)


@pytest.fixture
def runs(settings, monkeypatch):
    runs = Runs(settings)
    monkeypatch.setattr(demo.side_by_side, 'run_side_by_side', runs)
    use_cores(monkeypatch, 2)
    return runs


def run(settings):
    return run_methods(
        settings, lambda name: Command(Path('demo.py'), ['--method', name])
    )


def changed(settings, name, text):
    """Settings with a config of the method that inherits the demo's."""
    path = settings.out / METHODS[name].name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"_base_ = '{METHODS[name]}'\n{text}\n")
    # read beside each config
    several = METHODS['MTKT']
    path.with_name(several.name).write_text(f"_base_ = '{several}'\n")
    return replace(settings, configs={**settings.configs, name: path})


def test_methods_wait_for_those_they_start_from(settings, runs):
    results = run(settings)
    assert runs.names == [FIRST, LATER]
    checkpoints = [result['checkpoint'] for result in results.values()]
    assert checkpoints == [f'{name}.pth' for name in METHODS]


def test_methods_wait_for_those_that_wait_themselves(settings, runs):
    esl = METHODS['ESL'].stem
    runs.settings = changed(
        settings, 'MinEnt', f"load_from = '{esl}/iter_4.pth'"
    )
    run(runs.settings)
    assert runs.names == [['source-only', 'AdvEnt'], LATER, ['MinEnt']]


def test_methods_that_start_from_each_other_are_refused(settings, runs):
    esl = METHODS['ESL'].stem
    circle = changed(settings, 'AdvEnt', f"load_from = '{esl}/iter_4.pth'")
    with pytest.raises(ConfigError, match='^AdvEnt, ESL: these start from'):
        run(circle)


def test_with_one_core_they_take_turns(settings, runs, monkeypatch):
    use_cores(monkeypatch, 1)
    run(settings)
    assert runs.names == [[name] for name in FIRST + LATER]


@pytest.mark.parametrize(('cores', 'share'), [(2, '1'), (7, '2')])
def test_threads_do_not_depend_on_what_is_left(
    settings, runs, monkeypatch, cores, share
):
    use_cores(monkeypatch, cores)
    for name in ('MinEnt', 'AdvEnt', 'MTKT', 'DACS'):
        finish(settings, name)
    run(settings)
    assert runs.names == [['source-only'], ['ESL']]
    environments = [wave[0].environment for wave in runs.commands]
    assert environments == [{threads.COUNT: share}] * 2


def test_finished_methods_are_not_run_again(settings, runs, capsys):
    run(settings)
    run(settings)
    assert runs.names[2:] == [[], []]
    assert capsys.readouterr().out.count('done before, see ') == len(METHODS)


def test_a_finished_method_is_not_trained_again(settings, runs, capsys):
    run(settings)
    assert run_method(settings, 'ESL')['checkpoint'] == 'ESL.pth'
    folder = method_folder(settings, 'ESL')
    assert capsys.readouterr().out == f'done before, see {folder}\n'


def test_what_starts_from_a_changed_method_is_run_again(settings, runs):
    run(settings)
    other = changed(settings, 'AdvEnt', 'randomness = dict(seed=7)')
    left = [name for name in METHODS if not finished(other, name)]
    assert left == ['AdvEnt', 'ESL']


class Trainings:
    """Stands for the runner: each training takes a second or is stopped.

    Attributes:
        resumed: Checkpoint that each training continues from, or None.
        stopped: Whether trainings are stopped.
    """

    hooks, logger = (), SimpleNamespace(handlers=())

    def __init__(self):
        self.resumed, self.stopped, self.now = [], True, 0.0

    def build(self, cfg):
        self.resumed.append(cfg.load_from if cfg.resume else None)
        self.work_dir = Path(cfg.work_dir)
        return self

    def train(self):
        self.now += 1
        (self.work_dir / 'iter_2.pth').write_bytes(b'')
        if self.stopped:
            raise KeyboardInterrupt

    def test(self):
        return {'mIoU': 10.0}


@pytest.fixture
def trainings(monkeypatch):
    trainings = Trainings()
    clock = SimpleNamespace(perf_counter=lambda: trainings.now)
    monkeypatch.setattr(demo.runs, 'time', clock)
    monkeypatch.setattr(demo.runs, 'build_runner', trainings.build)
    monkeypatch.setattr(
        demo.runs,
        'find_resume_checkpoint',
        lambda folder: next(Path(folder).glob('iter_*.pth'), None),
    )
    return trainings


def stop_twice(settings):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_method(settings, 'MinEnt')
    assert finished(settings, 'MinEnt') is None


def test_seconds_are_those_of_all_parts(settings, trainings):
    stop_twice(settings)
    trainings.stopped = False
    assert run_method(settings, 'MinEnt')['seconds'] == 3
    assert finished(settings, 'MinEnt')['seconds'] == 3
    checkpoint = str(method_folder(settings, 'MinEnt') / 'iter_2.pth')
    assert trainings.resumed == [None, checkpoint, checkpoint]


def test_a_changed_method_begins_anew(settings, trainings):
    stop_twice(settings)
    trainings.stopped = False
    other = changed(settings, 'MinEnt', 'randomness = dict(seed=7)')
    assert run_method(other, 'MinEnt')['seconds'] == 1
    assert trainings.resumed[2:] == [None]


@pytest.mark.parametrize('code', [129, 130, 143, -1, -2, -15])
def test_a_stopped_method_stops_the_demo(settings, runs, code):
    runs.codes['MinEnt'] = code
    with pytest.raises(KeyboardInterrupt):
        run(settings)
    assert runs.names == [FIRST]


@pytest.mark.parametrize(
    ('code', 'told'),
    [
        (2, 'ended with 2, see above$'),
        (255, 'ended with 255, see above$'),
        (-11, 'was ended by SIGSEGV$'),
        (-9, 'was ended by SIGKILL, .*memory has run out.* --method$'),
        (137, 'was ended by SIGKILL, .*memory has run out.* --method$'),
    ],
)
def test_a_method_that_fails_is_named(settings, runs, code, told):
    runs.codes['AdvEnt'] = code
    with pytest.raises(ConfigError, match=f'^AdvEnt {told}'):
        run(settings)
    assert finished(settings, 'MinEnt')['checkpoint'] == 'MinEnt.pth'


def test_the_tool_starts_itself_for_each_method(settings, runs, monkeypatch):
    settings = TOOL['settings_from'](
        SimpleNamespace(out=settings.out, data=settings.data, short=True)
    )
    runs.settings, drawn = settings, []

    def draw(configs, checkpoints, folder):
        drawn.append(checkpoints)
        return [folder / 'a.png']

    names = TOOL['show'].__globals__
    monkeypatch.setitem(names, 'make_data', lambda settings: None)
    monkeypatch.setitem(names, 'draw_comparison', draw)
    logger = MMLogger.get_current_instance()
    level = logger.level
    TOOL['show'](settings, True)
    logger.setLevel(level)
    assert drawn == [{name: f'{name}.pth' for name in METHODS}]
    for command in sum(runs.commands, []):
        monkeypatch.setattr(sys, 'argv', command.words()[1:])
        args = TOOL['parse_args']()
        assert TOOL['settings_from'](args) == settings
        assert [args.method] == command.arguments[1:2]
        assert command.tool.samefile(TOOL['__file__'])


def run_by_hand(settings, method, monkeypatch):
    words = ['--out', str(settings.out), '--data', str(settings.data)]
    argv = ['demo.py', '--method', method, *words]
    monkeypatch.setattr(sys, 'argv', argv)
    return TOOL['run'](TOOL['parse_args']())


@pytest.mark.parametrize(('given', 'told'), [(False, [2]), (True, [])])
def test_a_method_has_the_threads_that_it_has_beside_others(
    settings, monkeypatch, given, told
):
    use_cores(monkeypatch, 7)
    monkeypatch.setattr(threads, '_IS_GIVEN', given)
    numbers = []
    monkeypatch.setattr(torch, 'set_num_threads', numbers.append)
    assert run_by_hand(settings, 'ESL', monkeypatch) == 2
    assert numbers == told


def test_errors_of_a_method_begin_with_its_name(settings, monkeypatch, capsys):
    monkeypatch.setattr(threads, '_IS_GIVEN', True)
    assert run_by_hand(settings, 'ESL', monkeypatch) == 2
    error = capsys.readouterr().err
    assert error.startswith('ESL         error: AdvEnt is not finished; ')
    assert 'tools/demo.py --method AdvEnt ' in error


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
