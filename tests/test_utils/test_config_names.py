"""Configs by path and by name, from any folder."""

import shutil

import demo_data
import pytest

from mmuda.utils import config_names
from mmuda.utils.config import default_work_dir, load_config
from mmuda.utils.config_names import (
    config_argument,
    find_config,
    packaged_configs,
)
from mmuda.utils.errors import ConfigError

CONFIGS = demo_data.ROOT / 'configs'
ADVENT = CONFIGS / 'advent/advent_gta2cs.py'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_folder_of_configs_is_that_of_the_repository():
    assert packaged_configs() == CONFIGS


@pytest.mark.parametrize(
    'name',
    [
        'advent_gta2cs',
        'advent_gta2cs.py',
        'advent/advent_gta2cs',
        'advent/advent_gta2cs.py',
        'configs/advent/advent_gta2cs.py',
        'mmuda::advent/advent_gta2cs.py',
        str(ADVENT),
    ],
)
def test_names_of_a_config(name):
    assert find_config(name) == ADVENT
    assert config_argument(name) == ADVENT
    assert default_work_dir(name) == 'work_dirs/advent/advent_gta2cs'


def test_name_is_read_as_the_file():
    assert load_config('advent_gta2cs').pretty_text == (
        load_config(ADVENT).pretty_text
    )


@pytest.mark.parametrize('name', ['gta2cs.py', 'configs/advent/gta2cs.py'])
def test_a_file_that_exists_goes_before_one_that_comes_along(tmp_path, name):
    own = tmp_path / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text('answer = 42\n')
    assert find_config(name).absolute() == own


def test_old_path_below_the_repository_is_followed():
    old = find_config('configs/mtda/mtkt/c2mi.py')
    assert old == CONFIGS / 'mtda/mtkt/c2mi.py'
    assert load_config(old).model.type == 'MTKT'


@pytest.mark.parametrize(
    ('name', 'near'),
    [
        (
            'advent_gta2c',
            "'advent_gta2cs', 'mic_advent_gta2cs' or 'demo_advent_gta2cs'",
        ),
        ('gta2c.py', "'gta2cs'"),
        ('configs/advent/gta2c.py', "'advent/gta2cs.py'"),
        # Files of the same folder are nearer.
        ('own/gta2c.py', "'own/gta2cz.py'"),
    ],
)
def test_unknown_name_is_told_the_near_ones(tmp_path, name, near):
    (tmp_path / 'own').mkdir()
    (tmp_path / 'own/gta2cz.py').touch()
    with pytest.raises(ConfigError) as caught:
        find_config(name)
    text = str(caught.value)
    assert text.startswith(f'{name}: no such config file (did you mean {near}')
    assert str(config_argument(name)) == name


@pytest.mark.parametrize(
    'name',
    [
        'demo_minent_gta2cs',
        'configs/demo/minent_gta2cs.py',
        'cotraining_demo.py',
        'esl/esl_carla2camvid.py',
    ],
)
def test_a_wheel_tells_where_the_configs_of_the_demo_are(
    tmp_path, monkeypatch, name
):
    """A typing error in the repository gets a near name instead."""
    with pytest.raises(ConfigError, match='did you mean'):
        find_config('demo_minent_gta2c')
    installed = tmp_path / 'site-packages/configs'
    shutil.copytree(CONFIGS / 'advent', installed / 'advent')
    monkeypatch.setattr(config_names, 'packaged_configs', lambda: installed)
    uncached = config_names._leaves.__wrapped__
    monkeypatch.setattr(config_names, '_leaves', uncached)
    with pytest.raises(
        ConfigError,
        match='no such config file; the configs of the demo, and those on '
        r'CARLA and CamVid, are in the package mmuda-demo.*: pip install '
        r'\./demo_wheel$',
    ):
        find_config(name)


@pytest.mark.parametrize(
    'name',
    [
        'default_runtime',
        '../configs/advent/gta2cs.py',
        '/configs/advent/gta2cs.py',
        'qqqq',
    ],
)
def test_what_is_no_config_is_refused(name):
    with pytest.raises(ConfigError, match=r'no such config file'):
        find_config(name)


def test_a_name_that_is_near_to_none_is_told_where_they_are():
    told = f'those that come with mmuda are in {packaged_configs()}'
    with pytest.raises(ConfigError) as caught:
        find_config('qqqq')
    assert str(caught.value) == f'qqqq: no such config file; {told}'
