import subprocess
import sys
import warnings

import pytest

from mmuda import check_version, check_versions


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
    [('torch', '3.0.0'), ('mmengine', '1.0.0'), ('mmseg', '2.1')],
)
def test_untested_version_is_a_warning(package, version):
    with pytest.warns(UserWarning, match=f'not tested with {package}'):
        check_version(package, version)


def test_missing_package_is_named_with_the_command():
    # None in sys.modules makes an import fail as if nothing were installed.
    script = "import sys; sys.modules['mmseg'] = None; import mmuda"
    result = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True
    )
    last_line = result.stderr.strip().splitlines()[-1]
    assert last_line.startswith('ImportError: mmuda needs mmseg')
    assert last_line.endswith('pip install onedl-mmsegmentation')
