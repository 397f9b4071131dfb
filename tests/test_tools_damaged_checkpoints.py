"""train.py --resume over checkpoints that a disk or a copy has damaged."""

import shutil
import zipfile

import demo_data
import pytest
from failing_tools import CONFIG, before_training, error_of
from test_tools_train_and_test import overrides
from tools_in_process import load_tool, run_loaded

from mmuda.engine.runner import UDARunner
from mmuda.utils.compat import load_checkpoint_file

TOOL = load_tool('train.py')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Data, and a folder with the checkpoints of two iterations."""
    data = demo_data.write(tmp_path_factory.mktemp('data'), count=1)
    work_dir = tmp_path_factory.mktemp('trained')
    cfg = demo_data.config(data, work_dir, max_iters=2)
    cfg.default_hooks.checkpoint.interval = 1
    # As the tools do, whose layout of weights is another than mmengine's.
    UDARunner.from_cfg(cfg).train()
    return data, work_dir


@pytest.fixture
def work_dir(run, tmp_path):
    folder = tmp_path / 'work'
    folder.mkdir()
    for number in (1, 2):
        shutil.copy(run[1] / f'iter_{number}.pth', folder)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_2.pth'))
    return folder


def damage(path):
    """Flip a bit of the first tensor."""
    with zipfile.ZipFile(path) as file:
        tensor = file.read('archive/data/0')
    data = bytearray(path.read_bytes())
    data[data.index(tensor)] ^= 1
    path.write_bytes(data)


def test_continues_from_the_one_before_and_says_so(
    run, work_dir, monkeypatch, capsys
):
    damage(work_dir / 'iter_2.pth')
    words = [CONFIG, '--work-dir', work_dir, '--resume', *overrides(run[0])]
    words += ['train_cfg.max_iters=2']
    code, _ = run_loaded(TOOL, words, monkeypatch, capsys)
    assert code == 0
    (log,) = work_dir.glob('*/*.log')
    text = log.read_text()
    assert f'{work_dir}/iter_2.pth is damaged (archive/data/0 does' in text
    assert f'continue from {work_dir}/iter_1.pth before it' in text
    again = load_checkpoint_file(work_dir / 'iter_2.pth')['state_dict']
    before = load_checkpoint_file(run[1] / 'iter_2.pth')['state_dict']
    assert all(again[name].equal(before[name]) for name in before)


@pytest.mark.parametrize('by_config', [False, True])
def test_nothing_is_started_over_damaged_ones(
    run, work_dir, monkeypatch, capfd, by_config
):
    for number in (1, 2):
        damage(work_dir / f'iter_{number}.pth')
    before = {p.name: p.read_bytes() for p in work_dir.glob('*')}
    options = demo_data.options(run[0])
    if by_config:
        options['resume'] = True
    words = [CONFIG, '--work-dir', work_dir] + ['--resume'] * (not by_config)
    error = before_training(
        error_of('train.py', words, options, monkeypatch, capfd)
    )
    assert 'no checkpoint in' in error
    assert 'move the damaged ones away' in error
    after = {name: (work_dir / name).read_bytes() for name in before}
    assert after == before
    assert not [*work_dir.glob('*/*.log')]


@pytest.mark.parametrize('option', ['--resume', '--load-from'])
@pytest.mark.parametrize('scheme', ['open-mmlab', 's3'])
def test_other_schemes_are_refused(
    run, tmp_path, monkeypatch, capfd, option, scheme
):
    words = [CONFIG, '--work-dir', tmp_path, option, f'{scheme}://resnet']
    result = error_of(
        'train.py', words, demo_data.options(run[0]), monkeypatch, capfd
    )
    assert f'checkpoints are not read by {scheme}://' in before_training(
        result
    )
