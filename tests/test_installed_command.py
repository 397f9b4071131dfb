"""The wheels in an environment of their own, used from an empty folder."""

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
def scripts(checkout, tmp_path):  # noqa: F811
    """Commands of an environment with nothing but the wheel and its stack."""
    folder = tmp_path / 'environment'
    venv.create(folder)
    scripts = folder / ('Scripts' if sys.platform == 'win32' else 'bin')
    install(build('build_wheel', checkout), scripts)
    # What it depends on lies in the environment of the tests.
    paths = sysconfig.get_paths(
        vars=dict(base=str(folder), platbase=str(folder))
    )
    stack = Path(paths['purelib'], 'stack.pth')
    stack.write_text(f'{sysconfig.get_path("purelib")}\n')
    return scripts


def install(wheel, scripts):
    python = scripts / Path(sys.executable).name
    pip = [sys.executable, '-m', 'pip', '--python', str(python)]
    words = ['install', '--no-deps', '--no-index', '--quiet', str(wheel)]
    subprocess.run([*pip, *words], check=True)


@pytest.fixture
def run(scripts, tmp_path):
    """Run a command line from an empty folder."""
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
            timeout=1800,
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
    for words in ('demo --short', 'print-config demo_advent_gta2cs'):
        refusal = run(f'mmuda {words}', code=2)
        assert refusal.endswith('clone of mmuda: pip install ./demo_wheel\n')
    write_own(tmp_path / 'empty folder')
    options = ' '.join(SMALL)
    trained = run(f'mmuda train own.py --cfg-options {options}')
    assert_tested_as_trained(run, trained)


def assert_tested_as_trained(run, trained):
    """What a training says to type tests what it has trained."""
    tested = run(re.search('Test: +(mmuda test .*)', trained)[1])
    iou = r'cityscapes/mIoU: ([\d.]+)'
    assert re.findall(iou, tested)[-1] == re.findall(iou, trained)[-1]


@pytest.fixture
def run_with_demo(run, scripts, checkout):  # noqa: F811
    """Run a command line where both wheels are."""
    install(build('build_wheel', checkout / 'demo_wheel'), scripts)
    return run


def assert_helps_without_torch(run):
    code = (
        'import sys, mmuda_cli; mmuda_cli.main(); '
        "sys.exit('torch' in sys.modules)"
    )
    listed = run(f'python -c {shlex.quote(code)} --help')
    assert re.search('^  demo +compare methods', listed, re.M)
    assert re.search('^  streets +generate streets', listed, re.M)


def test_the_demo_and_all_that_follows_on_its_data(run_with_demo, tmp_path):
    run, folder = run_with_demo, tmp_path / 'empty folder'
    assert_helps_without_torch(run)
    assert '--short' in run('mmuda demo --help')
    shown = run('mmuda demo --short')
    assert 'mIoU on IDD' in shown
    assert 'Pictures: work_dirs/demo_short/pictures (4 files)' in shown
    results = folder / 'work_dirs/demo_short'
    assert len([*results.glob('pictures/*.png')]) == 4
    heading = (results / 'results.md').read_text().splitlines()[0]
    assert heading.split(' | ')[1:3] == ['source-only', 'source-longer']
    data = 'data/demo_short'
    roots = f'source={data}/GTA5 target={data}/Cityscapes'
    trained = run(
        f'mmuda train demo_advent_gta2cs --data-root {roots} '
        f'--cfg-options {" ".join(SMALL)}'
    )
    assert_tested_as_trained(run, trained)
    model = 'work_dirs/demo/demo_advent_gta2cs/iter_2.pth'
    images = f'{data}/Cityscapes/leftImg8bit/val'
    run(f'mmuda predict {images} --checkpoint {model} --out out --overlay')
    for kind in ('labels', 'overlay'):
        assert len([*(folder / 'out' / kind).rglob('*.png')]) == 6
    config = model.replace('iter_2.pth', 'demo_advent_gta2cs.py')
    run(f'mmuda export {config} {model} --out network.pt2')
    assert (folder / 'network.pt2').stat().st_size > 2**16
