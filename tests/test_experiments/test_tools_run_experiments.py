"""The command that runs an experiment: options, errors and true trainings."""

import json
import signal
import subprocess
import sys
import time

import demo_data
import pytest
import yaml
from tools_in_process import load_tool, run_loaded

TOOL = demo_data.ROOT / 'tools/run_experiments.py'
EXPERIMENT = demo_data.ROOT / 'experiments/demo.yml'
DACS = ('model.warmup_iters', 'model.discriminator.base_channels')


@pytest.fixture(scope='module')
def tool():
    return load_tool('run_experiments.py')


@pytest.fixture
def run(tool, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(demo_data.ROOT)

    def run_words(*words, file=EXPERIMENT):
        words = [file, '--out', tmp_path / 'out', *words]
        return run_loaded(tool, words, monkeypatch, capsys)

    return run_words


def test_plan_has_the_commands(run):
    words = ('--seeds', 7, '--only', 'esl', '--dry-run')
    code, text = run(*words, '--keep-checkpoints', 4)
    assert code == 0
    commands = [line for line in text.splitlines() if line[:6] == 'python']
    assert [line.split()[1] for line in commands] == [
        *('tools/train.py', 'tools/test.py'),
        *('tools/self_train.py', 'tools/test.py'),
    ]
    assert '--seed 7 ' in commands[0]
    assert commands[0].endswith('checkpoint.max_keep_ckpts=4')
    start = 'demo/advent/seed_7/iter_400.pth '
    assert f'{start}--cfg-options' in commands[2]
    assert '/demo/esl/seed_7/round_1/iter_400.pth' in commands[3]


@pytest.mark.parametrize(
    ('words', 'fault'),
    [
        (('--only', 'eslo'), "--only: there is no row 'eslo' (did you mean"),
        (('--data-root', 'source=nowhere'), 'source=nowhere: no such folder'),
        (
            ('--data-root', f'sky={demo_data.ROOT}'),
            "rows.source_only: data root 'sky': no such domain",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(run, words, fault, tmp_path):
    code, text = run(*words)
    assert (code, fault in text) == (2, True), text
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('option', 'fault'),
    [
        ('model.warmup_iter: 1', 'warmup_iter'),
        ('train_cfg.max_iters: many', 'max_iters'),
    ],
)
def test_rows_with_wrong_options_are_named(run, tmp_path, option, fault):
    file = tmp_path / 'wrong.yml'
    row = f'{{config: configs/demo/demo_minent_gta2cs.py, options: {{{option}'
    file.write_text(f'title: a\nsource_only: b\nrows:\n  b: {row}}}}}\n')
    code, text = run(file=file)
    assert code == 2
    assert text.startswith('error: rows.b: ')
    assert fault in text


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
    """A file with a method and the source-only that it starts from."""
    folder = tmp_path_factory.mktemp('experiment')
    data = demo_data.write(folder / 'data')
    options = demo_data.options(data, max_iters=2, interval=1)
    rows = {}
    for name, config, left_out in (
        ('later', 'minent', DACS[1:]),
        ('plain', 'source_only', DACS),
    ):
        config = f'configs/demo/demo_{config}_gta2cs.py'
        given = {k: v for k, v in options.items() if k not in left_out}
        if name == 'plain':
            given = {k: v for k, v in given.items() if '.target.' not in k}
        rows[name] = dict(config=config, options=given)
    rows['later']['starts_from'] = 'plain'
    file = folder / 'toys.yml'
    content = dict(title='Toys', source_only='plain', rows=rows)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def start(file, out):
    words = [sys.executable, TOOL, file, '--out', out]
    return subprocess.Popen(
        [*map(str, words), '--seeds', '0', '--processes', '2'],
        cwd=demo_data.ROOT,
        env=demo_data.ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def result(out, row):
    return json.loads((out / f'toys/{row}/seed_0/result.json').read_text())


@pytest.mark.slow
def test_a_stopped_command_reaches_what_one_reaches(experiment, tmp_path):
    whole, stopped = tmp_path / 'whole', tmp_path / 'stopped'
    process = start(experiment, whole)
    text, _ = process.communicate()
    assert process.returncode == 0, text
    process = start(experiment, stopped)
    while not (stopped / 'toys/later/seed_0/iter_1.pth').exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate()
    assert process.returncode == 130, text
    assert text.endswith('the same command continues where it was.\n')
    assert not (stopped / 'toys/later/seed_0/result.json').exists()
    process = start(experiment, stopped)
    text, _ = process.communicate()
    assert process.returncode == 0, text
    # The first is trained; it may have been stopped in its test.
    assert 'later seed 0: goes on (2 iterations)' in text
    assert 'plain seed 0: begins' not in text
    assert 'plain seed 0: goes on' not in text
    for row in ('plain', 'later'):
        first, second = result(whole, row), result(stopped, row)
        assert first['metrics'] == second['metrics']
        assert first['checksum'] == second['checksum']
        assert (first['threads'], first['iterations']) == (1, 2)
    log = (stopped / 'toys/later/seed_0/train.log').read_text()
    assert 'plain/seed_0/iter_2.pth' in log
