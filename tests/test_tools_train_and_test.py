"""train.py, test.py and dist_train.sh as a user runs them."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import demo_data
import gloo
import numpy as np
import pytest
import warm_processes
from PIL import Image

CONFIG = str(demo_data.ROOT / 'configs' / 'demo' / 'demo_advent_gta2cs.py')


def command(tool, *args):
    tool = str(demo_data.ROOT / 'tools' / tool)
    start = ['bash'] if tool.endswith('.sh') else [sys.executable]
    return [*start, tool, *map(str, args)]


def run(tool, *args, code=0, **variables):
    result = warm_processes.run(
        command(tool, *args),
        env=demo_data.ENVIRONMENT | variables,
        timeout=300,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def overrides(data, **changes):
    values = demo_data.options(data) | changes
    return ['--cfg-options', *(f'{k}={v}' for k, v in values.items())]


def metrics(output, name='mIoU'):
    """Values of every validation or test in an output, in order."""
    return re.findall(rf'cityscapes/{name}: ([\d.]+)', output)


def metric(output, name='mIoU'):
    return metrics(output, name)[-1]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tools')
    data = demo_data.write(folder / 'data')
    work_dir = folder / 'work'
    output = run('train.py', CONFIG, '--work-dir', work_dir, *overrides(data))
    return data, work_dir, output


def test_training_tells_how_to_go_on(trained):
    assert 'tools/test.py' in trained[2]


def test_testing_repeats_the_last_validation(trained):
    data, work_dir, output = trained
    tested = run('test.py', CONFIG, work_dir / 'iter_4.pth', *overrides(data))
    assert metric(tested) == metric(output)


def test_a_test_leaves_the_config_of_the_training(trained, tmp_path):
    """The command that a training prints tests the same after other tests."""
    data, work_dir, output = trained
    config = work_dir / Path(CONFIG).name
    as_trained = config.read_bytes()
    printed = ['test.py', config, work_dir / 'iter_4.pth']
    exported = ['--export', tmp_path / 'exported', '--format', 'cityscapes']
    images = 'test_dataloader.dataset.data_prefix.seg_map_path=None'
    run(*printed, *exported, '--cfg-options', images)
    first = sorted((tmp_path / 'exported').rglob('*.png'))
    times = [path.stat().st_mtime_ns for path in first]
    assert config.read_bytes() == as_trained
    folders = [
        str(tmp_path / 'exported') in path.read_text()
        for path in work_dir.glob(f'*/{config.name}')
    ]
    assert sum(folders) == 1
    assert metric(run(*printed)) == metric(output)
    assert [path.stat().st_mtime_ns for path in first] == times != []
    assert config.read_bytes() == as_trained


@pytest.mark.parametrize(
    ('weights', 'alone'), [(('1', '0'), 0), (('0', '1'), 1)]
)
def test_ensemble_with_one_weight_is_that_model(trained, weights, alone):
    data, work_dir, output = trained
    tested = run(
        'test.py',
        CONFIG,
        work_dir / 'iter_2.pth',
        work_dir / 'iter_4.pth',
        '--weights',
        *weights,
        *overrides(data),
    )
    validated = metrics(output, 'entropy')
    assert validated[0] != validated[1]
    assert metric(tested, 'entropy') == validated[alone]


def test_predictions_and_drawings_are_written(trained, tmp_path):
    data, work_dir, _ = trained
    run(
        'test.py',
        CONFIG,
        work_dir / 'iter_4.pth',
        '--out',
        tmp_path / 'out',
        '--show-dir',
        tmp_path / 'show',
        *overrides(data),
    )
    labels = sorted((tmp_path / 'out').rglob('*.png'))
    assert len(labels) == 2
    image = Image.open(labels[0])
    assert image.mode == 'P'
    label = np.asarray(image)
    assert label.shape == (48, 96)
    assert label.max() < 19
    names = {str(path.relative_to(tmp_path / 'out')) for path in labels}
    drawn = (tmp_path / 'show').rglob('*.png')
    assert {
        str(path.relative_to(tmp_path / 'show')) for path in drawn
    } == names
    assert all('/' in name for name in names)


def test_checkpoint_of_another_network_is_one_clear_line(trained):
    data, work_dir, _ = trained
    other = {'model.segmentor.backbone.base_channels': 16}
    output = run(
        'test.py',
        CONFIG,
        work_dir / 'iter_4.pth',
        *overrides(
            data,
            **other,
            **{
                'model.segmentor.decode_head.in_channels': 64,
                'model.segmentor.auxiliary_head.in_channels': 32,
            },
        ),
        code=2,
    )
    assert f'{work_dir}/iter_4.pth does not fit the segmentor' in output
    assert 'Traceback' not in output


# A schedule as long as the training, which would idle at rate 0.
LONG = {'param_scheduler.1.end': 1001}


def start_training(work_dir, data, *args):
    options = overrides(
        data,
        **LONG,
        **{'train_cfg.max_iters': 1000, 'train_cfg.val_interval': 1000},
    )
    return subprocess.Popen(
        command('train.py', CONFIG, '--work-dir', work_dir, *args, *options),
        env=demo_data.ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(work_dir, seconds=120):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if (work_dir / 'last_checkpoint').is_file():
            return
        time.sleep(0.1)
    raise AssertionError('no checkpoint was written')


def test_killed_run_resumes_from_its_last_checkpoint(trained, tmp_path):
    data = trained[0]
    process = start_training(tmp_path, data)
    wait_for(tmp_path)
    process.kill()
    process.communicate()
    newest = max(
        int(p.stem.split('_')[1]) for p in tmp_path.glob('iter_*.pth')
    )
    output = run(
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--resume',
        *overrides(data, **LONG, **{'train_cfg.max_iters': newest + 2}),
    )
    assert f'Continue with iteration {newest + 1};' in output
    assert (tmp_path / f'iter_{newest + 2}.pth').is_file()


def test_interrupted_run_saves_before_it_leaves(trained, tmp_path):
    process = start_training(tmp_path, trained[0])
    wait_for(tmp_path)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    saved = int(re.search(r'stopped after iteration (\d+)', output)[1])
    assert (tmp_path / f'iter_{saved}.pth').is_file()


def test_two_processes_train_and_one_tests_alike(trained, tmp_path):
    data = trained[0]
    output = run(
        'dist_train.sh',
        CONFIG,
        2,
        '--work-dir',
        tmp_path,
        *overrides(data, **{'train_dataloader.batch_size': 1}),
        PORT=str(gloo.free_port()),
    )
    # The main process alone tells what is trained.
    assert output.count('Train AdvEnt\n') == 1
    assert '2 processes\n' in output
    tested = run('test.py', CONFIG, tmp_path / 'iter_4.pth', *overrides(data))
    assert metric(tested) == metric(output)
    assert metric(tested, 'entropy') == metric(output, 'entropy')
