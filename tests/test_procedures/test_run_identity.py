"""Continuing the procedure that a folder holds, and refusing another."""

import json

import pytest

from mmuda.procedures.state import require_same_recipe
from mmuda.utils.errors import ConfigError, DataError

TEXT = """
model = dict(type='AdvEnt', weights=[1, 2])
test_pipeline = [dict(type='LoadImage')]
test_dataloader = dict(batch_size=1)
"""


def write(folder, **entries):
    (folder / 'recipe.json').write_text(json.dumps(entries))


def test_the_same_is_continued(tmp_path):
    for _ in range(2):
        require_same_recipe(tmp_path, dict(seed=1, config=TEXT))


def test_another_seed_is_refused(tmp_path):
    require_same_recipe(tmp_path, dict(seed=1, amp=False))
    with pytest.raises(ConfigError, match=f"'{tmp_path}' holds a run with "):
        require_same_recipe(tmp_path, dict(seed=2, amp=False))


def test_what_was_begun_before_formats_had_numbers_is_continued(tmp_path):
    write(tmp_path, seed=1)
    require_same_recipe(tmp_path, dict(seed=1))


@pytest.mark.parametrize(
    'other',
    [
        TEXT.replace("'LoadImage'", "'Other'"),
        TEXT.replace('batch_size=1', 'batch_size=2'),
        TEXT.replace('test_pipeline', 'tta_pipeline'),
        TEXT + 'test_cfg = None\n',
    ],
)
def test_other_tests_are_no_other_training(tmp_path, other):
    require_same_recipe(tmp_path, {'first config': TEXT})
    require_same_recipe(tmp_path, {'first config': other})


@pytest.mark.parametrize(
    'other',
    [
        TEXT.replace('[1, 2]', '[1, 3]'),
        TEXT.replace('test_pipeline', 'pipeline'),
        TEXT + 'x = 1\n',
        TEXT + 'x = (\n',
        '(' * 5000,
        '',
    ],
)
def test_another_training_is_refused(tmp_path, other):
    require_same_recipe(tmp_path, {'first config': TEXT})
    with pytest.raises(ConfigError, match='another first config; choose'):
        require_same_recipe(tmp_path, {'first config': other})


def test_a_checksum_is_no_config(tmp_path):
    require_same_recipe(tmp_path, dict(checkpoint='test_a = 1'))
    with pytest.raises(ConfigError, match='another checkpoint'):
        require_same_recipe(tmp_path, dict(checkpoint='test_a = 2'))


def test_a_later_format_is_refused(tmp_path):
    write(tmp_path, format_version=9, mmuda_version='9.1', seed=1)
    with pytest.raises(DataError, match=r'format 9, written by mmuda 9\.1'):
        require_same_recipe(tmp_path, dict(seed=1))
