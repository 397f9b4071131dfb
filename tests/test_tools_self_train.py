"""The recipe of ESL in one command, stopped and continued."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import demo_data
import pytest
import torch
import warm_processes
from demo_data import ENVIRONMENT
from failing_tools import error_of
from test_tools_train_and_test import overrides
from tools_in_process import load_tool, run_loaded

from mmuda.utils.cli import USER_ERROR
from mmuda.utils.compat import load_checkpoint_file

CONFIG = 'configs/demo/demo_esl_gta2cs.py'


def command(data, work_dir, *args):
    words = [sys.executable, 'tools/self_train.py', CONFIG, '--seed', 3]
    words += ['--work-dir', work_dir, *args, *overrides(data)]
    words += ['--initial-cfg-options', *overrides(data)[1:]]
    return [str(word) for word in words]


def run(words, code=0):
    result = warm_processes.run(
        words,
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
        timeout=600,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def weights(work_dir, iteration=4):
    file = work_dir / f'round_1/iter_{iteration}.pth'
    return load_checkpoint_file(str(file))['state_dict']


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('self_train'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    return work_dir, run(command(data, work_dir))


def test_all_stages_are_run(whole):
    titles = [line for line in whole[1].splitlines() if line[:1] == '[']
    assert titles == [
        '[1/3] first training',
        '[2/3] round 1: pseudo-labels',
        '[3/3] round 1: training',
    ]


def test_the_summary_has_the_miou_of_both_trainings(whole):
    lines = (whole[0] / 'summary.md').read_text().splitlines()
    rows = [line for line in lines if line.startswith(('| 0', '| 1'))]
    assert all('cityscapes/mIoU' in row for row in rows)
    assert len(rows) == 2


def test_training_uses_the_pseudo_labels(whole):
    (log,) = (whole[0] / 'round_1').glob('*/*.log')
    assert 'target.decode.loss_ce_pseudo' in log.read_text()


def test_finished_stages_are_not_done_again(data, whole):
    before = (whole[0] / 'round_1/iter_4.pth').stat().st_mtime_ns
    output = run(command(data, whole[0]))
    assert output.count('done before') == 3
    assert (whole[0] / 'round_1/iter_4.pth').stat().st_mtime_ns == before


ROWS = ('round_0/train', 'round_1/label', 'round_1/train')


@pytest.fixture(scope='module')
def tool():
    return load_tool('self_train.py')


@pytest.fixture
def look(tool, data, monkeypatch, capsys):
    """Look at the recipe in a folder, in this process."""

    def run_words(work_dir, *args):
        monkeypatch.chdir(demo_data.ROOT)
        words = command(data, work_dir, *args)[2:]
        return run_loaded(tool, words, monkeypatch, capsys)

    return run_words


def rows_of(text):
    """Cells of the table by the name of the stage."""
    rows = [line.split('│')[1:-1] for line in text.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if row]
    return {name: tuple(rest) for name, *rest in cells}


def test_plan_needs_no_data(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [demo_data.ROOT / CONFIG, '--dry-run', '--work-dir', 'out']
    code, text = run_loaded(tool, words, monkeypatch, capsys)
    assert code == 0, text
    assert rows_of(text) == {
        'round_0/train': ('waiting', '400 iterations'),
        'round_1/label': ('waiting', 'all images'),
        'round_1/train': ('waiting', '400 iterations'),
    }
    assert "Without times and disk space: data_root: 'data/demo/" in text
    assert '--data-root source=DIR target=DIR' in ' '.join(text.split())
    assert list(tmp_path.iterdir()) == []


def test_plan_tells_the_work(look, tmp_path):
    code, text = look(tmp_path / 'out', '--dry-run')
    assert code == 0, text
    work = {name: cells[1] for name, cells in rows_of(text).items()}
    assert [work[name] for name in ROWS] == [
        '4 iterations',
        '5 images',
        '4 iterations',
    ]
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('stage', ['round_1/label', 'round_1/train'])
def test_only_trainings_need_the_source(look, tmp_path, stage):
    lost = ['--data-root', 'source=/no/source', '--dry-run', '--stage', stage]
    _, text = look(tmp_path / 'out', *lost)
    assert ("'/no/source' (source)" in text) == (stage == 'round_1/train')


def test_plan_of_some_stages(look, tmp_path):
    words = (['--from', 'round_1/train'], ['--stage', 'round_1/train'])
    for chosen in words:
        _, text = look(tmp_path, '--dry-run', *chosen)
        rows = rows_of(text)
        assert [name for name in ROWS if name in rows] == ['round_1/train']


def test_status_of_nothing(look, tmp_path):
    code, text = look(tmp_path, '--status', '--rounds', '2')
    assert code == 0
    assert {cells[0] for cells in rows_of(text).values()} == {'waiting'}
    assert len(rows_of(text)) == 5


def test_status_of_a_finished_recipe(look, whole):
    _, text = look(whole[0], '--status')
    rows = rows_of(text)
    assert [rows[name][0] for name in ROWS] == ['done'] * 3
    assert 'cityscapes/mIoU' in rows['round_1/train'][2]


def test_state_tells_what_made_the_labels(whole):
    state = json.loads((whole[0] / 'state.json').read_text())
    (weights,) = state['stages']['round_1/label']['uses']['weights']
    assert weights['file'] == 'round_0/iter_4.pth'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--from', 'round_3'], '--from round_3: no such stage; there are '),
        (['--stage', 'train'], '--stage train: no such stage'),
        (['--from', 'round_1/label'], 'round_1/label needs '),
        (['--from', 'round_1/train'], 'pseudo_labels/manifest.json'),
    ],
)
def test_wrong_choice_is_one_line(look, tmp_path, words, message):
    code, text = look(tmp_path / 'out', *words)
    assert (code, message in text) == (USER_ERROR, True), text
    assert not (tmp_path / 'out').exists()


def test_work_of_before_there_was_a_state_is_continued(look, whole, tmp_path):
    """As a work dir of earlier versions is: its recipe tells no format."""
    folder = tmp_path / 'out'
    shutil.copytree(whole[0], folder)
    (folder / 'state.json').unlink()
    (folder / 'summary.md').unlink()
    file = folder / 'recipe.json'
    content = json.loads(file.read_text())
    del content['format_version'], content['mmuda_version']
    file.write_text(json.dumps(content))
    code, text = look(folder)
    assert (code, text.count('done before')) == (0, 3), text
    assert (folder / 'summary.md').is_file()


def test_a_killed_recipe_continues_to_the_same_weights(data, whole, tmp_path):
    process = subprocess.Popen(
        command(data, tmp_path),
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (tmp_path / 'round_1/iter_2.pth').exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    output = run(command(data, tmp_path))
    assert output.count('done before') == 2
    expected = weights(whole[0])
    for name, value in weights(tmp_path).items():
        assert torch.equal(value, expected[name]), name


def test_labels_of_a_given_checkpoint(data, whole, tmp_path):
    checkpoint = whole[0] / 'round_0/iter_4.pth'
    run(command(data, tmp_path, '--initial-checkpoint', checkpoint))
    expected = weights(whole[0])
    for name, value in weights(tmp_path).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (['pseudo_labels.rule.quantile=0.2'], 'another config'),
        (['--seed', '4'], 'another --seed'),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused(
    data, whole, changes, message
):
    words = command(data, whole[0])
    position = words.index('--initial-cfg-options')
    words[position:position] = changes
    result = warm_processes.run(
        words,
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert 'done before' not in result.stdout


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'pseudo_labels.rule.quantile': 4}, 'quantile=4'),
        ({'pseudo_labels.ego_mask': 'none.png'}, "no file 'none.png'"),
        ({'pseudo_labels.ground_truth': 'gtFine/none'}, 'gtFine/none'),
    ],
)
def test_wrong_labelling_is_known_before_the_first_training(
    data, tmp_path, monkeypatch, capfd, changes, message
):
    words = [demo_data.ROOT / CONFIG, '--work-dir', tmp_path]
    words += ['--data-root', f'source={data / "GTA5"}']
    words += [f'target={data / "Cityscapes"}']
    error, _ = error_of('self_train.py', words, changes, monkeypatch, capfd)
    assert message in error
    assert not (tmp_path / 'round_0').exists()


def test_two_recipes_in_one_folder_are_refused(
    data, tmp_path, monkeypatch, capfd
):
    with open(tmp_path / '.lock', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        words = [demo_data.ROOT / CONFIG, '--work-dir', tmp_path]
        words += ['--data-root', f'source={data / "GTA5"}']
        words += [f'target={data / "Cityscapes"}']
        error, _ = error_of('self_train.py', words, {}, monkeypatch, capfd)
    assert 'another process works' in error


def test_a_missing_initial_checkpoint_is_refused(tmp_path, monkeypatch, capfd):
    words = [demo_data.ROOT / CONFIG, '--work-dir', tmp_path]
    words += ['--initial-checkpoint', 'nothing.pth']
    error, _ = error_of('self_train.py', words, {}, monkeypatch, capfd)
    assert "cannot read 'nothing.pth'" in error


def test_a_config_without_a_recipe_is_refused(tmp_path, monkeypatch, capfd):
    config = demo_data.ROOT / 'configs/demo/demo_advent_gta2cs.py'
    words = [config, '--work-dir', tmp_path]
    error, _ = error_of('self_train.py', words, {}, monkeypatch, capfd)
    assert 'no self_training' in error


@pytest.mark.parametrize(
    ('leaf', 'asked', 'setting', 'folder', 'handed_on'),
    [
        ('mlcl_aspp-r101_g2cmi', [], 'g2cmi', 'mtda/mlcl_aspp-r101_g2cmi', []),
        (
            *('mlcl_aspp-r101_g2ci', [], 'g2ci', 'mtda/mlcl_aspp-r101_g2ci'),
            ['setting=g2ci'],
        ),
        (
            *('coast_aspp-r101_g2ci_19', ['--setting', 'c2i'], 'c2i'),
            *('mtda/coast_aspp-r101_c2i', ['setting=c2i']),
        ),
        # as it was in earlier versions, and had been begun
        ('mlcl/c2mi', [], 'c2mi', 'mlcl/c2mi', []),
    ],
)
def test_the_first_training_has_the_setting_of_the_second(
    leaf, asked, setting, folder, handed_on, tool, monkeypatch
):
    path = demo_data.ROOT / f'configs/mtda/{leaf}.py'
    monkeypatch.setattr(sys, 'argv', ['tool', str(path), *asked])
    args = tool['parse_args']()
    args.amp = tool['precision_of_args'](args)  # as main does
    procedure = tool['procedure_from'](args)
    assert procedure.first.setting == procedure.cfg.setting == setting
    assert str(procedure.work_dir) == f'work_dirs/{folder}'
    words = [*procedure.steps()[0][0].arguments]
    options = [word for word in words if word.startswith('setting=')]
    assert options == handed_on
