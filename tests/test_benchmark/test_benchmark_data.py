import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.data import (
    label_rows,
    load_plainly,
    loading_rows,
    make_data,
    map_by_masks,
    random_ids,
    sampler_rows,
)
from benchmarks.setting import scale_sizes
from mmuda.datasets.images.image_io import map_ids
from mmuda.datasets.labels.label_maps import label_table, lookup_table
from mmuda.datasets.samplers import DomainInfiniteSampler
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs' / 'advent'


@pytest.fixture
def cfg(tmp_path):
    cfg = load_config(CONFIGS / 'gta2cs.py')
    scale_sizes(cfg, 0.1)
    make_data(cfg, tmp_path, images=2, factor=0.1)
    return cfg


def test_data_lies_where_the_config_looks(cfg, tmp_path):
    assert cfg.train_dataloader.dataset.source.data_root == str(
        tmp_path / 'source'
    )


def test_validation_data_is_made_too(cfg):
    root = Path(cfg.val_dataloader.dataset.data_root)
    labels = root.glob('gtFine/val/*/*_labelIds.png')
    assert len(list(labels)) == 2


def test_data_that_nothing_generates_is_asked_for(tmp_path):
    cfg = load_config(CONFIGS / 'advent_carla2camvid.py')
    with pytest.raises(ConfigError, match='--data-root source=FOLDER'):
        make_data(cfg, tmp_path, images=1)


def test_loading_rows_compare_all_images(cfg):
    (row,) = loading_rows(cfg, images=2, rounds=1, warmup=0)
    assert row.value > 0
    assert row.detail.count('images/s') == 2


def test_pillow_loads_image_and_label(cfg):
    root = Path(cfg.train_dataloader.dataset.source.data_root)
    info = dict(
        img_path=str(root / 'images/00001.png'),
        seg_map_path=str(root / 'labels/00001.png'),
    )
    image, label = load_plainly(info, (64, 32))
    assert image.shape == (32, 64, 3)
    assert label.shape == (32, 64)


def test_pillow_loads_an_image_without_label(cfg):
    root = Path(cfg.train_dataloader.dataset.source.data_root)
    info = dict(img_path=str(root / 'images/00001.png'))
    assert len(load_plainly(info, (64, 32))) == 1


def test_both_ways_of_mapping_labels_agree():
    table = label_table('gta5', 'cityscapes19')
    ids = random_ids((100, 70), list(table))
    np.testing.assert_array_equal(
        map_by_masks(ids, table), map_ids(ids, lookup_table(table, 19), '')
    )


def test_random_ids_have_the_size_asked_for():
    assert random_ids((100, 70), [3, 4]).shape == (70, 100)


def test_label_rows_are_a_ratio_and_milliseconds():
    rows = label_rows(rounds=1, warmup=0)
    assert [row.unit for row in rows] == ['', 'ms']


def test_memory_of_the_sampler_is_that_of_two_permutations():
    """The larger one has 25,000 numbers of 8 bytes."""
    kibibytes = sampler_rows(rounds=1)[-1].value
    assert 25_000 * 8 / 1024 <= kibibytes < 2 * 28_000 * 8 / 1024


def calls_to(iteration):
    """Functions that are called until the sampler draws an iteration."""
    sampler = DomainInfiniteSampler(SimpleNamespace(sizes=(250, 30)), seed=0)
    events = []
    sys.setprofile(lambda frame, event, arg: events.append(event))
    sampler.skip(iteration)
    next(iter(sampler))
    sys.setprofile(None)
    return events.count('call') + events.count('c_call')


def test_the_sampler_jumps_instead_of_walking():
    assert calls_to(100_000) == calls_to(1) > 0
