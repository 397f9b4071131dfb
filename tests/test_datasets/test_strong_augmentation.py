from collections import Counter

import numpy as np
import pytest
from mmcv.transforms import Compose
from toy_augmented import SIZE, cut, is_grey, sample, strong, with_labels
from toy_images import domain_configs

from mmuda.datasets import (
    Cutout,
    DomainDataset,
    DomainIndex,
    PackDomainInputs,
    StrongAugmentation,
)
from mmuda.datasets.transforms.strong_augmentation import (
    GEOMETRIC_OPERATIONS,
    OPERATIONS,
)
from mmuda.utils.errors import ConfigError


def draws(count=2000, **options):
    np.random.seed(0)
    transform = StrongAugmentation(**options)
    return [transform.draw_operations() for _ in range(count)]


# What is drawn


def test_each_operation_is_drawn_as_often():
    names = Counter(name for drawn in draws(prob=1) for name, _ in drawn)
    assert {*names} == {*OPERATIONS}
    # 4000 / 14 = 286, with a standard deviation of 16
    assert max(abs(count - 286) for count in names.values()) < 60


def test_half_of_the_operations_are_applied():
    applied = sum(len(drawn) for drawn in draws()) / 4000
    assert abs(applied - 0.5) < 0.04


def test_one_operation_may_be_drawn_twice():
    twice = [a == b for (a, _), (b, _) in draws(prob=1)]
    assert abs(np.mean(twice) - 1 / 14) < 0.03


def test_magnitudes_are_tenths():
    magnitudes = {abs(m) for drawn in draws() for _, m in drawn}
    assert magnitudes == {i / 10 for i in range(1, 10)}


def test_geometric_operations_go_both_ways():
    moves = draws(prob=1, operations=GEOMETRIC_OPERATIONS)
    signs = [m > 0 for drawn in moves for _, m in drawn]
    assert abs(np.mean(signs) - 0.5) < 0.04


def test_other_operations_have_no_sign():
    others = [name for name in OPERATIONS if name not in GEOMETRIC_OPERATIONS]
    drawn = draws(prob=1, operations=others)
    assert min(m for pair in drawn for _, m in pair) == 0.1


def test_chosen_operations_only():
    drawn = draws(num_ops=3, prob=1, operations=['rotate', 'color'])
    assert {len(names) for names in drawn} == {3}
    assert {name for names in drawn for name, _ in names} == {
        'rotate',
        'color',
    }


# What is done


@pytest.mark.parametrize('seed', range(8))
def test_all_label_maps_are_moved(seed):
    results = strong(seed, prob=1, operations=GEOMETRIC_OPERATIONS)
    uncovered = is_grey(results['img'])
    assert np.array_equal(results['gt_seg_map'] == 255, uncovered)
    assert np.array_equal(results['pseudo_seg_map'] == 255, uncovered)
    soft = results['pseudo_soft_map']
    assert np.array_equal((soft == 0).all(-1), uncovered)
    assert (soft[~uncovered] == 0.25).all()


def test_nothing_is_done_with_probability_0():
    results = strong(prob=0)
    assert np.array_equal(results['img'], with_labels()['img'])


@pytest.mark.parametrize('transform', [strong, cut])
def test_sizes_are_left_as_they_are(transform):
    results = transform()
    assert results['img'].shape == (*SIZE, 3)
    assert results['img_shape'] == SIZE
    assert results['ori_shape'] == (60, 96)


@pytest.mark.parametrize('transform', [strong, cut])
def test_without_labels(transform):
    expected = transform(3)['img']
    assert np.array_equal(transform(3, sample())['img'], expected)


@pytest.mark.parametrize('transform', [strong, cut])
def test_without_seg_fields(transform):
    results = sample()
    del results['seg_fields']
    expected = transform(3)['img']
    assert np.array_equal(transform(3, results)['img'], expected)


@pytest.mark.parametrize('transform', [strong, cut])
def test_arrays_that_are_given_are_not_written_to(transform):
    results = with_labels()
    before = dict(results)
    transform(results=results)
    expected = with_labels()
    for key in ('img', 'gt_seg_map', 'pseudo_soft_map'):
        assert np.array_equal(before[key], expected[key])


def test_soft_labels_can_be_packed():
    np.random.seed(0)
    moves = StrongAugmentation(prob=1, operations=['rotate'])
    steps = Compose([moves, Cutout(), PackDomainInputs()])
    packed = steps(sample('pseudo_soft_map'))
    data = packed['data_samples'].pseudo_soft_seg.data
    grey = (packed['inputs'] == 127).all(0)
    assert grey.any()
    assert ((data.sum(0) == 0) == grey).all()


def test_a_sample_depends_on_its_seed_only(tmp_path):
    config = domain_configs(tmp_path)['target']
    augment = [{'type': 'StrongAugmentation', 'prob': 1}, {'type': 'Cutout'}]
    config['pipeline'][-1:-1] = augment
    dataset = DomainDataset(target=config)

    def image(seed):
        return dataset[DomainIndex((0,), seed)]['inputs']['target']

    assert (image(7) == image(7)).all()
    assert len({image(seed).numpy().tobytes() for seed in range(8)}) > 4


# Wrong options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_ops': 0}, 'num_ops=0: must be a whole number above 0'),
        ({'num_ops': 1.5}, 'num_ops=1.5: must be'),
        ({'prob': 1.5}, r'prob=1.5: must be a number in \[0, 1\]'),
        ({'prob': '0.5'}, "prob='0.5': must be"),
        ({'operations': []}, 'operations must be a list of names'),
        ({'operations': 'rotate'}, "operations .*not 'rotate'"),
        (
            {'operations': ['color', 'rotat']},
            r"operations has 'rotat' \(did you mean 'rotate'\?\); there",
        ),
    ],
)
def test_wrong_options_of_strong_augmentation(options, message):
    with pytest.raises(ConfigError, match=f'StrongAugmentation.*{message}'):
        StrongAugmentation(**options)


@pytest.mark.parametrize('transform', [strong, cut])
def test_label_map_of_another_size(transform):
    results = with_labels()
    results['gt_seg_map'] = results['gt_seg_map'][:9]
    with pytest.raises(ConfigError, match=r'gt_seg_map is \(9, 48\).*\(30, 4'):
        transform(results=results)


@pytest.mark.parametrize('transform', [strong, cut])
def test_image_of_floats(transform):
    results = sample()
    results['img'] = results['img'].astype(np.float32)
    with pytest.raises(ConfigError, match='8 bit, got float32'):
        transform(results=results)


def test_description():
    text = repr(StrongAugmentation(3, operations=['rotate']))
    expected = "num_ops=3, prob=0.5, operations=['rotate']"
    assert text == f'StrongAugmentation({expected})'
