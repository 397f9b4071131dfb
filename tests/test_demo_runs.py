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
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.mixed_precision import Choice, precision_of_config
from mmuda.utils.processes import Command

TOOL = load_tool('demo.py')
METHODS = TOOL['METHODS']
FIRST, *LATER = METHODS
BY_LENGTH = LATER[::-1]


@pytest.fixture
def settings(tmp_path):
    return DemoSettings(METHODS, tmp_path / 'data', tmp_path / 'out', 4, 4, 4)


class Runs:
    """Runs commands without processes; each method ends as it is told to.

    Attributes:
        names: Methods in the order in which they are run, one list a queue.
        commands: Of all of them.
        places: Of each queue.
        codes: Exit codes by the method; 0 if there is none.
    """

    def __init__(self, settings):
        self.settings, self.codes = settings, {}
        self.names, self.commands, self.places = [], [], []

    def __call__(self, jobs, places, started, ended):
        """One after the other, each when those that it needs have ended."""
        self.names.append([])
        self.places.append(places)
        codes = {}
        while free := [
            job
            for job in jobs
            if job.name not in codes
            and all(codes.get(name) == 0 for name in job.needs)
        ]:
            name = free[0].name
            self.names[-1].append(name)
            self.commands.append(free[0].command)
            codes[name] = self.codes.get(name, 0)
            if codes[name] == 0:
                finish(self.settings, name)
        return codes


def finish(settings, name):
    result = dict(
        fingerprint=demo.runs._fingerprint(settings, name),
        metrics={'mIoU': 10.0},
        seconds=1.0,
        iterations=[300],
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
    monkeypatch.setattr(demo.side_by_side, 'run_queue', runs)
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
    return replace(settings, configs={**settings.configs, name: path})


def started_from(method):
    return f"load_from = '{METHODS[method].stem}/iter_4.pth'"


def test_methods_wait_for_those_they_start_from(settings, runs):
    results = run(settings)
    assert runs.names == [[FIRST, *BY_LENGTH]]
    checkpoints = [result['checkpoint'] for result in results.values()]
    assert checkpoints == [f'{name}.pth' for name in METHODS]


def test_methods_wait_for_those_that_wait_themselves(settings, runs):
    runs.settings = changed(settings, 'HRDA', started_from('DACS'))
    run(runs.settings)
    rest = [name for name in BY_LENGTH if name not in ('DACS', 'HRDA')]
    assert runs.names == [['source-only', 'DACS', 'HRDA', *rest]]


def test_methods_that_start_from_each_other_are_refused(settings, runs):
    circle = changed(settings, 'source-only', started_from('DACS'))
    with pytest.raises(ConfigError, match='source-only.* these start from'):
        run(circle)


@pytest.mark.parametrize(
    ('cores', 'places'),
    [(1, [{}]), (2, [{threads.COUNT: '1'}] * 2)]
    + [(11, [{threads.COUNT: '2'}] * len(LATER))],
)
def test_places_do_not_depend_on_what_is_left(
    settings, runs, monkeypatch, cores, places
):
    use_cores(monkeypatch, cores)
    run(settings)
    for name in LATER[1:]:
        (method_folder(settings, name) / RESULT).unlink()
    run(settings)
    assert runs.names[1] == BY_LENGTH[:-1]
    assert runs.places == [places] * 2


def test_finished_methods_are_not_run_again(settings, runs, capsys):
    run(settings)
    run(settings)
    assert runs.names[1:] == [[]]
    assert capsys.readouterr().out.count('done before, see ') == len(METHODS)


def test_a_finished_method_is_not_trained_again(settings, runs, capsys):
    run(settings)
    assert run_method(settings, 'DACS')['checkpoint'] == 'DACS.pth'
    folder = method_folder(settings, 'DACS')
    assert capsys.readouterr().out == f'done before, see {folder}\n'


def test_what_starts_from_a_changed_method_is_run_again(settings, runs):
    run(settings)
    other = changed(settings, 'DACS', 'randomness = dict(seed=7)')
    left = [name for name in METHODS if not finished(other, name)]
    assert left == ['DACS']
    first = changed(settings, 'source-only', 'randomness = dict(seed=7)')
    assert not any(finished(first, name) for name in METHODS)


def test_another_precision_begins_anew(settings, runs, monkeypatch):
    other = {'bf16': 'fp32', 'fp32': 'bf16'}[demo.runs.precision().precision]
    run(settings)
    monkeypatch.setattr(demo.runs, 'precision', lambda: Choice(other, ''))
    cfg = demo.runs.demo_config(settings, 'DACS')
    assert precision_of_config(cfg) == other
    assert not any(finished(settings, name) for name in METHODS)


def test_all_are_tested_on_both_targets_in_their_sizes(settings):
    for name in METHODS:
        cfg = demo.runs.demo_config(settings, name)
        width = 640 if name == 'HRDA' else 320
        for loader, folder in zip(
            cfg.test_dataloader, ('Cityscapes', 'IDD'), strict=True
        ):
            assert loader.dataset.data_root == str(settings.data / folder)
            assert loader.dataset.pipeline[1].scale == (width, width // 2)
        prefixes = [part[0].prefix for part in cfg.test_evaluator]
        assert prefixes == list(TOOL['TARGETS'])


def test_lacking_weights_are_told_before_anything_else(settings, monkeypatch):
    monkeypatch.setattr(sys, 'path', [])
    with pytest.raises(CheckpointError, match=r'\.\[pretrained\]'):
        TOOL['show'](settings, False)
    assert not settings.data.exists()


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
            run_method(settings, 'source-only')
    assert finished(settings, 'source-only') is None


def test_seconds_are_those_of_all_parts(settings, trainings):
    stop_twice(settings)
    trainings.stopped = False
    assert run_method(settings, 'source-only')['seconds'] == 3
    assert finished(settings, 'source-only')['seconds'] == 3
    checkpoint = str(method_folder(settings, 'source-only') / 'iter_2.pth')
    assert trainings.resumed == [None, checkpoint, checkpoint]


def test_a_changed_method_begins_anew(settings, trainings):
    stop_twice(settings)
    trainings.stopped = False
    other = changed(settings, 'source-only', 'randomness = dict(seed=7)')
    assert run_method(other, 'source-only')['seconds'] == 1
    assert trainings.resumed[2:] == [None]


@pytest.mark.parametrize('code', [129, 130, 143, -1, -2, -15])
def test_a_stopped_method_stops_the_demo(settings, runs, code):
    runs.codes['MinEnt'] = code
    with pytest.raises(KeyboardInterrupt):
        run(settings)
    assert runs.names[0][:2] == [FIRST, 'HRDA']


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
    runs.codes['DACS'] = code
    with pytest.raises(ConfigError, match=f'^DACS {told}'):
        run(settings)
    assert finished(settings, 'MinEnt')['checkpoint'] == 'MinEnt.pth'


def test_the_tool_starts_itself_for_each_method(settings, runs, monkeypatch):
    settings = TOOL['settings_from'](
        SimpleNamespace(out=settings.out, data=settings.data, short=True)
    )
    runs.settings, drawn = settings, []

    def draw(configs, checkpoints, folder, targets):
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
    for command in runs.commands:
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
    use_cores(monkeypatch, 11)
    monkeypatch.setattr(threads, '_IS_GIVEN', given)
    numbers = []
    monkeypatch.setattr(torch, 'set_num_threads', numbers.append)
    assert run_by_hand(settings, 'DACS', monkeypatch) == 2
    assert numbers == told


def test_errors_of_a_method_begin_with_its_name(settings, monkeypatch, capsys):
    monkeypatch.setattr(threads, '_IS_GIVEN', True)
    assert run_by_hand(settings, 'DACS', monkeypatch) == 2
    error = capsys.readouterr().err
    start = 'DACS          error: source-only is not finished; '
    assert error.startswith(start)
    assert 'tools/demo.py --method source-only ' in error


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
