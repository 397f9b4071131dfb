"""Which images come first, and which are drawn."""

import numpy as np
import pytest
from labelled_images import statistics

from mmuda.datasets.sets.split_lists import read_split
from mmuda.procedures.selection import (
    keys_text,
    own_share,
    rank_images,
    sample_keys,
)
from mmuda.utils.errors import ConfigError

KEYS = [f'day/{index:03d}' for index in range(50)]


def test_the_surest_image_comes_first():
    table = statistics(
        [[10, 0], [10, 10], [0, 5]], [[0.6, 0], [0.9, 0.7], [0, 0.7]]
    )
    assert rank_images(table) == [1, 2, 0]


def test_confidence_is_that_of_all_kept_pixels():
    """0.75 (30 x 0.8 and 10 x 0.6) is more than 0.74, 0.7 would be less."""
    table = statistics([[40, 0], [30, 10]], [[0.74, 0], [0.8, 0.6]])
    np.testing.assert_allclose(table.score, [0.74, 0.75], atol=1e-5)
    assert rank_images(table) == [1, 0]


def test_equal_images_are_ordered_by_key():
    table = statistics([[4], [4], [4]], keys=['c', 'a', 'b'])
    assert rank_images(table) == [1, 2, 0]


def test_many_classes_come_first_and_then_sure_ones():
    table = statistics(
        [[5, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]],
        [[0.9] * 3, [0.5] * 3, [0.6] * 3, [0.1] * 3],
    )
    assert rank_images(table, 'num_classes') == [3, 2, 1, 0]


def test_few_rejected_pixels_come_first():
    table = statistics([[5, 0], [3, 4], [1, 0]])
    assert rank_images(table, 'rejected') == [1, 0, 2]


def test_rejected_pixels_count_by_the_size_of_the_image():
    table = statistics([[50], [60]])
    table.sizes[:] = [[10, 10], [20, 20]]
    assert table.rejected.tolist() == [50, 340]
    assert rank_images(table, 'rejected') == [0, 1]


@pytest.mark.parametrize('by', ['confidence', 'num_classes', 'rejected'])
def test_images_without_labels_are_left_out(by):
    assert rank_images(statistics([[0, 0], [0, 1]]), by) == [1]


def test_unknown_ranking_is_refused():
    with pytest.raises(ConfigError, match="ranking='size'"):
        rank_images(statistics([[1]]), 'size')


def test_a_draw_has_no_repeats_and_is_sorted():
    drawn = sample_keys(KEYS, 20, seed=3)
    assert len(set(drawn)) == 20
    assert drawn == sorted(drawn)
    assert set(drawn) < set(KEYS)


def test_a_draw_depends_on_the_seed_not_on_the_order():
    drawn = sample_keys(KEYS, 20, seed=3)
    assert sample_keys(KEYS[::-1], 20, seed=3) == drawn
    assert sample_keys(KEYS, 20, seed=4) != drawn


def test_each_image_is_drawn_about_as_often():
    draws = [key for s in range(400) for key in sample_keys(KEYS, 5, s)]
    counts = [draws.count(key) for key in KEYS]
    assert min(counts) > 15
    assert max(counts) < 75


def test_none_takes_all():
    assert sample_keys(KEYS, None, seed=0) == KEYS


def test_steps_begin_anywhere_and_skip_neighbours():
    firsts = set()
    for seed in range(20):
        drawn = [KEYS.index(k) for k in sample_keys(KEYS, None, seed, 4)]
        assert set(np.diff(drawn)) == {4}
        firsts.add(drawn[0])
    assert firsts == {0, 1, 2, 3}


def test_more_images_than_there_are_is_an_error():
    with pytest.raises(ConfigError, match='51 target images.* there are 50;'):
        sample_keys(KEYS, 51, seed=0)


def test_the_error_counts_what_steps_leave():
    message = (
        r'there are 12 \(each 4\. of 50\)|there are 13 \(each 4\. of 50\)'
    )
    with pytest.raises(ConfigError, match=message):
        sample_keys(KEYS, 20, seed=0, step=4)


@pytest.mark.parametrize(('number', 'step'), [(0, 1), (5, 0)])
def test_numbers_below_one_are_refused(number, step):
    with pytest.raises(ConfigError, match='must be at least 1'):
        sample_keys(KEYS, number, seed=0, step=step)


def test_half_of_the_images_are_the_models_own():
    assert own_share([2, 0, 1], ['x', 'y', 'z'], {'z'}, 5) == [0, 1]
    assert own_share([2, 0, 1], ['x', 'y', 'z'], {'z'}, 3) == [0]


def test_lists_of_keys_are_read_as_they_were(tmp_path):
    keys = ['a b/1', 'a/x.png', 'v1.2/3', 'a/x.y']
    (tmp_path / 'keys.txt').write_text(keys_text(keys))
    lines = read_split(str(tmp_path / 'keys.txt'), '.png')
    assert [line.key for line in lines] == keys
