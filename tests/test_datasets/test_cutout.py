import numpy as np
import pytest
from toy_augmented import cut, is_grey, sample, with_labels

from mmuda.datasets import Cutout
from mmuda.utils.errors import ConfigError


@pytest.mark.parametrize('seed', range(8))
def test_the_square_is_cut_out_of_all_label_maps(seed):
    results = cut(seed)
    square = is_grey(results['img'])
    assert square.any()
    assert np.array_equal(results['gt_seg_map'] == 255, square)
    assert np.array_equal(results['pseudo_seg_map'] == 255, square)
    soft = results['pseudo_soft_map']
    assert np.array_equal((soft == 0).all(-1), square)


@pytest.mark.parametrize('seed', range(8))
def test_the_rest_of_the_image_is_kept(seed):
    results = cut(seed)
    kept = ~is_grey(results['img'])
    expected = with_labels()
    for key in ('img', 'gt_seg_map', 'pseudo_soft_map'):
        assert np.array_equal(results[key][kept], expected[key][kept])


def squares(count=300, **options):
    """Return top, bottom, left and right of squares, as (count, 4)."""
    np.random.seed(0)
    transform = Cutout(**options)
    edges = []
    for _ in range(count):
        rows, columns = np.nonzero(is_grey(transform(sample())['img']))
        edges.append(
            (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
        )
    return np.array(edges)


def test_the_side_is_a_third_of_the_shorter_one():
    top, bottom, left, right = squares().T
    inside = (top > 0) & (bottom < 30) & (left > 0) & (right < 48)
    assert 0.3 < inside.mean() < 0.8
    assert {*(bottom - top)[inside]} == {*(right - left)[inside]} == {10}


def test_the_square_may_lie_outside_on_each_side():
    top, bottom, left, right = squares().T
    for edge in (top == 0, bottom == 30):
        assert (bottom - top)[edge].min() <= 6
    for edge in (left == 0, right == 48):
        assert (right - left)[edge].min() <= 6


def test_the_centre_is_in_the_image():
    top, bottom, left, right = squares().T
    assert min((bottom - top).min(), (right - left).min()) >= 5


def test_larger_square():
    top, bottom, _, _ = squares(100, ratio=0.5).T
    assert (bottom - top).max() == 15


def test_no_cut_with_probability_0():
    assert not is_grey(cut(prob=0)['img']).any()


@pytest.mark.parametrize('options', [{'ratio': 1.2}, {'prob': -1}])
def test_wrong_options_of_cutout(options):
    name = next(iter(options))
    expected = rf'Cutout\.{name}=.*: must be a number'
    with pytest.raises(ConfigError, match=expected):
        Cutout(**options)


def test_description():
    assert repr(Cutout(0.5)) == 'Cutout(ratio=0.5, prob=1.0)'
