import numpy as np
import pytest

from benchmarks.lab_translation import (
    lab_translation_rows,
    make_pairs,
    publish,
)
from mmuda.color.lab_uint8 import in_style, style_of

SIZES = ((96, 54), (64, 32))


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp('benchmark')
    rows = lab_translation_rows(folder, 2, SIZES, rounds=1, warmup=0)
    return {row.name: row for row in rows}


def test_time_is_compared_with_that_of_the_published_way(rows):
    assert [row.goal for row in rows.values()] == [0.2, 0.2, 0.2, None]
    assert min(row.value for row in rows.values()) > 0


def test_statistics_of_the_target_cost_more(rows):
    whole = rows['24,966 PNG files, statistics of 2,975']
    assert whole.value > rows['with PNG files'].value


def test_images_per_second_are_told(rows):
    row = rows['PNG files on one core']
    assert row.unit == 'images/s'
    assert 'published' in row.detail


def test_difference_is_told(rows):
    assert rows['colours alone'].detail.endswith('grey level apart')


def test_pairs_have_the_sizes_asked_for(tmp_path):
    pairs = make_pairs(tmp_path, 2, SIZES)
    assert len(pairs) == 2
    assert all(path.is_file() for pair in pairs for path in pair)


def test_both_ways_agree():
    generator = np.random.default_rng(0)
    source = generator.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    target = generator.integers(0, 200, (20, 30, 3)).astype(np.uint8)
    ours = in_style(source[..., ::-1], style_of(target[..., ::-1]))
    gap = ours[..., ::-1].astype(int) - publish(source, target)
    assert np.abs(gap).max() <= 1
