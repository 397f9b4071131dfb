"""The wheel in an environment of its own, used from an empty folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import demo_data
import pytest
from test_packaging import build, checkout  # noqa: F401

import mmuda

pytestmark = pytest.mark.slow
SMALL = (
    'model.warmup_iters=1',
    'model.segmentor.backbone.base_channels=8',
    'model.segmentor.backbone.stem_channels=8',
    'model.segmentor.decode_head.in_channels=32',
    'model.segmentor.auxiliary_head.in_channels=16',
    'model.discriminator.base_channels=4',
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=2',
)


@pytest.fixture
def run(checkout, tmp_path):  # noqa: F811
    """Run a command line where nothing but the wheel and its stack is."""
    wheel = build('build_wheel', checkout)
    folder = tmp_path / 'environment'
    venv.create(folder)
    scripts = folder / ('Scripts' if sys.platform == 'win32' else 'bin')
    python = scripts / Path(sys.executable).name
    pip = [sys.executable, '-m', 'pip', '--python', str(python)]
    install = ['install', '--no-deps', '--no-index', '--quiet', str(wheel)]
    subprocess.run([*pip, *install], check=True)
    # What it depends on lies in the environment of the tests.
    paths = sysconfig.get_paths(
        vars=dict(base=str(folder), platbase=str(folder))
    )
    stack = Path(paths['purelib'], 'stack.pth')
    stack.write_text(f'{sysconfig.get_path("purelib")}\n')
    variables = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    variables['PATH'] = os.pathsep.join([str(scripts), variables['PATH']])
    variables['OMP_NUM_THREADS'] = '1'
    empty = tmp_path / 'empty folder'
    empty.mkdir()

    def call(line, code=0):
        done = subprocess.run(
            shlex.split(line),
            cwd=empty,
            env=variables,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def write_own(folder):
    """Data, and a config of the user's own on top of one of the wheel's."""
    demo_data.write(folder / 'data/demo')
    configs = demo_data.ROOT / 'configs'
    shutil.copy(configs / '_base_/demo.py', folder / 'sizes.py')
    text = (configs / 'demo/demo_advent_gta2cs.py').read_text()
    text = text.replace("'../advent/", "'mmuda::advent/")
    text = text.replace("'../_base_/demo.py'", "'sizes.py'")
    (folder / 'own.py').write_text(text)


def test_from_an_installation_to_a_tested_model(run, tmp_path):
    assert run('mmuda --version') == f'mmuda {mmuda.__version__}\n'
    tools = run('mmuda --help').splitlines()[-1].rpartition(': ')[2]
    assert Path(tools).parts[-3:] == ('mmuda', '.mim', 'tools')
    assert 'site-packages' in tools
    code = 'import mmuda; print(mmuda.__file__)'
    assert 'site-packages' in run(f'python -c {shlex.quote(code)}')
    assert "type='AdvEnt'" in run('mmuda print-config advent_gta2cs')
    assert "did you mean 'advent_gta2cs'" in run(
        'mmuda print-config advent_gta2c', code=2
    )
    refusal = run('mmuda demo', code=2)
    assert refusal.endswith('in a clone of it: python tools/demo.py\n')
    refusal = run('mmuda print-config demo_advent_gta2cs', code=2)
    assert refusal.endswith('renders their streets: use a clone of it\n')
    write_own(tmp_path / 'empty folder')
    options = ' '.join(SMALL)
    trained = run(f'mmuda train own.py --cfg-options {options}')
    hint = re.search('Test: +(mmuda test .*)', trained)[1]
    tested = run(hint)
    iou = r'cityscapes/mIoU: ([\d.]+)'
    assert re.findall(iou, tested)[-1] == re.findall(iou, trained)[-1]
