import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mmuda import check_upstream, check_version, check_versions

ROOT = Path(__file__).parents[2]


def test_installed_packages_fit_without_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_versions()


@pytest.mark.parametrize(
    ('package', 'version'),
    [
        ('torch', '2.6.0+cu124'),
        ('mmengine', '0.10.7'),
        ('mmcv', '2.0.0rc4'),
        ('mmcv', '2.2.0'),
        ('mmseg', '1.2.2'),
    ],
)
def test_versions_of_both_stacks_fit(package, version):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_version(package, version)


@pytest.mark.parametrize(
    ('package', 'version'),
    [('mmengine', '0.10.6'), ('mmcv', '2.0.0rc3'), ('mmseg', '0.30.0')],
)
def test_old_version_is_an_error_with_the_command(package, version):
    message = f'needs {package}>=.* {version} is installed: pip install'
    with pytest.raises(ImportError, match=message):
        check_version(package, version)


@pytest.mark.parametrize(
    ('package', 'version'),
    [
        ('torch', '2.14.0'),
        ('torch', '2.14.0.dev20261201+cu130'),
        ('torch', '3.0.0'),
        ('mmengine', '1.0.0'),
        ('mmseg', '2.1'),
    ],
)
def test_untested_version_is_a_warning(package, version):
    with pytest.warns(UserWarning, match=f'not tested with {package}'):
        check_version(package, version)


def test_mmuda_is_imported_with_a_newer_pytorch():
    script = "import torch; torch.__version__ = '3.1.0'; import mmuda"
    result = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
    )
    assert result.returncode == 0, result.stderr
    assert 'not tested with torch 3.1.0, only below 2.' in result.stderr


def test_nothing_that_pip_reads_bounds_pytorch_from_above():
    """But the file of the tested version, which is no part of a package."""
    files = {*(ROOT / 'requirements').glob('*.txt')}
    texts = {file.name: file.read_text() for file in files}
    texts['pyproject.toml'] = (ROOT / 'pyproject.toml').read_text()
    bound = re.compile(r'^[\s"\']*torch\b\s*[<>=~!]', re.MULTILINE)
    assert [name for name in texts if bound.search(texts[name])] == [
        'torch.txt'
    ]
    assert 'torch.txt' not in texts['pyproject.toml']


def test_missing_package_is_named_with_the_command():
    # None in sys.modules makes an import fail as if nothing were installed.
    script = "import sys; sys.modules['mmseg'] = None; import mmuda"
    result = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True
    )
    last_line = result.stderr.strip().splitlines()[-1]
    assert last_line.startswith('ImportError: mmuda needs mmseg')
    assert last_line.endswith('pip install onedl-mmsegmentation')


@pytest.mark.parametrize('missing', [['mmseg'], ['mmcv', 'mmseg']])
def test_what_is_missing_of_openmmlabs_own_is_of_the_same_set(
    tmp_path, missing
):
    folder = tmp_path / 'mmengine-0.10.7.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: mmengine\nVersion: 0.10.7\n'
    )
    hide = ''.join(f'sys.modules[{name!r}] = None; ' for name in missing)
    result = subprocess.run(
        [sys.executable, '-c', f'import sys; {hide}import mmuda'],
        capture_output=True,
        text=True,
        env=os.environ | dict(PYTHONPATH=f'{tmp_path}:{ROOT}'),
    )
    assert 'pip install mmengine==0.10.7 mmsegmentation==' in result.stderr
    assert 'pip install onedl' not in result.stderr


# OpenMMLab's own mmsegmentation


@pytest.mark.parametrize('mmcv', ['2.0.0rc4', '2.0.1', '2.1.0', '2.1.99'])
def test_mmcv_that_fits_mmsegmentation(mmcv):
    check_upstream(mmcv, '1.2.2', compiled=True)


@pytest.mark.parametrize('mmcv', ['2.2.0', '2.2.1', '2.3.6', '2.0.0rc3'])
def test_mmcv_that_mmsegmentation_refuses(mmcv):
    message = rf'1\.2\.2 needs mmcv>=2\.0\.0rc4,<2\.2\.0, but {mmcv} is '
    with pytest.raises(ImportError, match=message) as error:
        check_upstream(mmcv, '1.2.2', compiled=True)
    assert '"mmcv>=2.0.0rc4,<2.2"' in str(error.value)


def test_mmsegmentation_needs_compiled_operators():
    with pytest.raises(ImportError, match=r'not mmcv-lite'):
        check_upstream('2.1.0', '1.2.2', compiled=False)


@pytest.mark.parametrize(
    ('mmcv', 'compiled', 'message'),
    [
        ('2.2.0', True, 'needs mmcv>=2.0.0rc4,<2.2.0, but 2.2.0 is'),
        ('2.1.0', False, 'needs the compiled operators of mmcv'),
    ],
)
def test_pair_is_checked_before_mmseg_is_imported(
    tmp_path, mmcv, compiled, message
):
    """Packages that behave as the real ones when they are imported."""
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv/__init__.py').write_text(f"__version__ = '{mmcv}'\n")
    if compiled:
        (tmp_path / 'mmcv/_ext.py').touch()
    (tmp_path / 'mmseg').mkdir()
    (tmp_path / 'mmseg/__init__.py').write_text("assert False, 'too late'\n")
    (tmp_path / 'mmsegmentation-1.2.2.dist-info').mkdir()
    (tmp_path / 'mmsegmentation-1.2.2.dist-info/METADATA').write_text(
        'Metadata-Version: 2.1\nName: mmsegmentation\nVersion: 1.2.2\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', 'import mmuda'],
        capture_output=True,
        text=True,
        env=os.environ | dict(PYTHONPATH=f'{tmp_path}:{ROOT}'),
    )
    last_line = result.stderr.strip().splitlines()[-1]
    assert last_line.startswith('ImportError: mmsegmentation 1.2.2')
    assert message in last_line
