"""Two runs of a tool in one folder, and what a killed launcher leaves."""

import subprocess
import time

import demo_data
import gloo
import pytest
from failing_tools import CONFIG, error_of
from forked import forked
from test_tools_train_and_test import command, overrides
from tools_in_process import load_tool, run_loaded

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.locks import is_locked, locked_folder
from mmuda.utils.processes import is_alive


def hold(tell, folder):
    folder.mkdir(exist_ok=True)
    with locked_folder(folder, '--out'):
        tell('locked')
        time.sleep(600)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('locked'))


def roots(data):
    return [
        *('--data-root', f'source={data / "GTA5"}'),
        f'target={data / "Cityscapes"}',
    ]


TOOLS = {
    'train.py': ('--work-dir', [CONFIG]),
    'test.py': ('--out', [CONFIG, 'none.pth']),
    'test.py with drawings': ('--show-dir', [CONFIG, 'none.pth']),
    'generate_pseudo_labels.py': (
        '--out',
        [CONFIG.with_name('demo_esl_gta2cs.py'), 'none.pth'],
    ),
    'self_train.py': ('--work-dir', [CONFIG.with_name('demo_esl_gta2cs.py')]),
}


@pytest.mark.parametrize('name', TOOLS)
def test_second_run_in_a_folder_is_refused(
    data, tmp_path, monkeypatch, capfd, name
):
    option, words = TOOLS[name]
    folder = tmp_path / 'out'
    words = [*words, option, folder, *roots(data)]
    if option != '--work-dir' and name.startswith('test'):
        words += ['--work-dir', tmp_path / 'work']
    with forked(hold, folder) as (holder, _):
        error, _ = error_of(name.split()[0], words, {}, monkeypatch, capfd)
    assert f"{option}: another process works in '{folder}'" in error
    assert f'(process {holder.pid} on' in error
    assert [path.name for path in folder.iterdir()] == ['.lock']


@pytest.mark.parametrize(
    ('tool', 'words'),
    [
        ('demo.py', ['--short', '--data', 'data', '--out']),
        ('select_pseudo_labels.py', ['rank', 'none', '--out']),
        (
            'analysis_tools/confusion_matrix.py',
            [CONFIG, 'none', '--out'],
        ),
    ],
)
def test_other_tools_are_refused_too(
    tmp_path, monkeypatch, capsys, tool, words
):
    with forked(hold, tmp_path) as (holder, _):
        words = [*words, tmp_path]
        code, text = run_loaded(load_tool(tool), words, monkeypatch, capsys)
    assert code == 2
    expected = f"another process works in '{tmp_path}' (process {holder.pid}"
    assert expected in text
    assert [path.name for path in tmp_path.iterdir()] == ['.lock']


def ranks_of(launcher):
    """Processes that torchrun has started."""
    found = subprocess.run(
        ['ps', '-o', 'pid=', '--ppid', str(launcher)],
        capture_output=True,
        text=True,
    )
    return [int(pid) for pid in found.stdout.split()]


def wait_until(condition, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, condition
        time.sleep(0.05)


@pytest.mark.slow
def test_ranks_of_a_killed_launcher_save_and_end(data, tmp_path):
    many = {
        'train_cfg.max_iters': 10**5,
        'train_cfg.val_interval': 10**5,
        'param_scheduler.1.end': 10**5 + 1,
    }
    work_dir = tmp_path / 'work'
    words = (CONFIG, 2, '--work-dir', work_dir, *overrides(data, **many))
    with open(tmp_path / 'log', 'wb') as log:
        launcher = subprocess.Popen(
            command('dist_train.sh', *words),
            env=demo_data.ENVIRONMENT | {'PORT': str(gloo.free_port())},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until((work_dir / 'last_checkpoint').is_file)
        ranks = ranks_of(launcher.pid)
        assert len(ranks) == 2
    finally:
        launcher.kill()
        launcher.wait()
    # What a new run waits for.
    assert is_locked(work_dir)
    wait_until(lambda: not is_locked(work_dir))
    wait_until(lambda: not any(map(is_alive, ranks)))
    last = (work_dir / 'last_checkpoint').read_text()
    number = load_checkpoint_file(last)['meta']['iter']
    log = (tmp_path / 'log').read_text()
    assert f'SIGTERM: stopped after iteration {number};' in log
