"""Files beside the data that a config names."""

import pytest
from mmengine.config import Config

from mmuda.procedures.stage_configs import pretrained_files
from mmuda.utils.config_files import named_files


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'weights.pth').write_bytes(b'')
    return tmp_path


def config_with(path):
    start = dict(type='Pretrained', checkpoint=path)
    return Config(
        dict(model=dict(segmentor=dict(backbone=dict(init_cfg=start))))
    )


@pytest.mark.parametrize(
    ('path', 'missing'),
    [
        ('~/weights.pth', False),
        ('~/others.pth', True),
        ('https://a.org/weights.pth', False),
    ],
)
def test_file_in_the_home_folder_is_found_as_its_reader_does(
    home, path, missing
):
    (file,) = named_files(config_with(path))
    assert file.place == 'model.segmentor.backbone.init_cfg.checkpoint'
    assert file.is_missing is missing


def test_first_training_waits_for_a_file_in_the_home_folder(home):
    cfg = config_with('~/weights.pth')
    assert pretrained_files(cfg) == [home / 'weights.pth']
