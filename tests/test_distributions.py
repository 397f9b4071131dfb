"""Source distributions, wheels, and what finds configs in them."""

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
import test_packaging
from test_packaging import build

import mmuda

pytestmark = pytest.mark.slow
checkout = test_packaging.checkout
CONFIG = 'advent/minent_gta2cs.py'


@pytest.fixture
def mim(tmp_path):
    """Run a command of ``mim`` from an empty folder, or from a given one."""
    if importlib.util.find_spec('mim') is None:
        pytest.skip('pip install -r requirements/mim.txt')
    (tmp_path / 'empty').mkdir()

    def run(*words, path, folder=tmp_path / 'empty'):
        # mim makes a folder in that of the user.
        environment = dict(HOME=str(tmp_path), PYTHONPATH=str(path))
        result = subprocess.run(
            [sys.executable, '-m', 'mim', *words],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stdout + result.stderr

    return run


def contents(wheel):
    archive = zipfile.ZipFile(wheel)
    # It holds the checksums of the others.
    return {
        name: archive.read(name)
        for name in archive.namelist()
        if not name.endswith('RECORD')
    }


def test_a_wheel_is_the_same_from_the_source_distribution(checkout, tmp_path):
    with tarfile.open(build('build_sdist', checkout)) as archive:
        archive.extractall(tmp_path, filter='data')
    unpacked = tmp_path / f'mmuda-{mmuda.__version__}'
    (checkout / 'out').rename(tmp_path / 'sdist')
    direct = contents(build('build_wheel', checkout))
    again = contents(build('build_wheel', unpacked))
    assert again.keys() == direct.keys()
    assert again == direct


def assert_mim_finds_all(mim, configs, **where):
    words = ['--config', 'minent_gta2cs', '--field', 'config', 'model']
    code, text = mim('search', 'mmuda', *words, **where)
    assert code == 0, text
    assert 'configs/advent/minent_gta2cs.py' in text
    assert_mim_runs(mim, 'train', configs, CONFIG, [], **where)
    words = ['--checkpoint', 'iter_1.pth']
    assert_mim_runs(mim, 'test', configs, CONFIG, words, **where)


def assert_mim_runs(mim, tool, configs, config, words, **where):
    name = config.split('/')[-1]
    code, text = mim(tool, 'mmuda', name, *words, '--nope', **where)
    assert f'{configs}/{config} instead' in text
    # It came as far as the options of the tool.
    assert 'unrecognized arguments: --nope' in text
    assert code != 0


def test_mim_finds_the_configs_of_a_wheel(checkout, tmp_path, mim):
    target = tmp_path / 'site'
    zipfile.ZipFile(build('build_wheel', checkout)).extractall(target)
    configs = os.path.realpath(target / 'mmuda' / '.mim' / 'configs')
    assert_mim_finds_all(mim, configs, path=target)
    demo = build('build_wheel', checkout / 'demo_wheel')
    zipfile.ZipFile(demo).extractall(target)
    config = 'demo/demo_advent_gta2cs.py'
    assert_mim_runs(mim, 'train', configs, config, [], path=target)


def test_mim_finds_those_of_an_editable_installation_in_its_folder(
    checkout, mim
):
    # pip, which asks for the requirements first, leaves it behind, too.
    words = [sys.executable, 'setup.py', '-q', 'egg_info']
    subprocess.run(words, cwd=checkout, check=True)
    build('build_editable', checkout)
    configs = os.path.realpath(checkout / 'configs')
    assert_mim_finds_all(mim, configs, path='', folder=checkout)


def test_mim_has_no_weights_to_download(checkout, tmp_path, mim):
    target = tmp_path / 'site'
    zipfile.ZipFile(build('build_wheel', checkout)).extractall(target)
    words = ['download', 'mmuda', '--config', 'minent_gta2cs']
    code, text = mim(*words, path=target)
    assert code != 0
    assert "got {'weight'}" in ' '.join(text.split())
