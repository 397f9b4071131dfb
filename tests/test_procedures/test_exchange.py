"""Which images a model gives to the other, worked out by hand."""

import pytest
from labelled_images import in_memory, statistics

from mmuda.procedures.selection import choose_exchange, exchange_warnings
from mmuda.procedures.selection.exchange import (
    Exchange,
    class_order,
    exchange_by_class,
    exchange_by_confidence,
    images_of_class,
)
from mmuda.utils.errors import ConfigError, DataError

MANY = 6000


def test_classes_of_weak_receivers_come_first():
    assert class_order([0.5, 0.9, 0.6], [0.6, 0.5, 0.9]) == [2, 0, 1]


def test_class_demand_looks_at_the_receiver_alone():
    assert class_order([0.5, 0.9, 0.6]) == [0, 2, 1]


def test_equal_classes_keep_their_order():
    assert class_order([0.7, 0.5, 0.7, 0.5], [0.5, 0.5, 0.5, 0.5]) == [
        1,
        3,
        0,
        2,
    ]


def test_classes_without_thresholds_come_last():
    assert class_order([None, 0.9, 0.5], [0.1, 0.5, None]) == [1, 0, 2]


def test_control_keeps_the_top_of_the_range():
    """Above 0.9 - 0.2 (0.9 - 0.5) = 0.82."""
    table = statistics([[MANY]] * 4, [[0.5], [0.81], [0.9], [0.83]])
    assert images_of_class(table, 0) == [2, 3]


def test_control_of_one_leaves_out_the_worst():
    table = statistics([[MANY]] * 3, [[0.5], [0.75], [1.0]])
    assert images_of_class(table, 0, control=1.0) == [2, 1]


def test_control_of_zero_keeps_the_best():
    table = statistics([[MANY]] * 3, [[0.5], [0.75], [0.625]])
    assert images_of_class(table, 0, control=0.0) == [1]


def test_a_single_image_passes():
    table = statistics([[MANY], [10]], [[0.5], [0.9]])
    assert images_of_class(table, 0) == [0]


def test_equal_images_pass_in_the_order_of_their_keys():
    table = statistics([[MANY]] * 3, keys=['c', 'a', 'b'])
    assert images_of_class(table, 0) == [1, 2, 0]


def test_an_image_needs_more_than_the_minimum_of_pixels():
    table = statistics([[5000], [5001], [0]])
    assert images_of_class(table, 0) == [1]
    assert images_of_class(table, 0, min_pixels=4999) == [0, 1]


def test_the_worst_image_with_enough_pixels_makes_the_range():
    """The range is 0.8 to 0.9 without the image of few pixels."""
    table = statistics(
        [[MANY], [MANY], [MANY], [9]], [[0.9], [0.87], [0.8], [0.1]]
    )
    assert images_of_class(table, 0) == [0]


def test_true_numbers_of_images_are_given():
    """Class 1 is in the images 1 and 3, not in the first two."""
    table = statistics([[MANY, 0], [0, MANY], [MANY, 0], [0, MANY]])
    given = exchange_by_class(table, [1, 0], 3)
    assert given == Exchange((1, 3, 0), (1, 1, 0), ())


def test_an_image_is_given_once_for_its_first_class():
    table = statistics([[MANY, MANY], [0, MANY]])
    given = exchange_by_class(table, [1, 0], 5)
    assert given == Exchange((0, 1), (1, 1), ())


def test_the_first_images_are_given():
    table = statistics([[MANY, 0], [MANY, 0], [0, MANY]])
    given = exchange_by_class(table, [0, 1], 2)
    assert given == Exchange((0, 1), (0, 0), ())


def test_classes_without_images_are_told():
    table = statistics([[MANY, 0, 10]])
    given = exchange_by_class(table, [2, 1, 0], 5)
    assert given == Exchange((0,), (0,), (2, 1))
    assert exchange_warnings(given, 'abc', 'A', 'B') == [
        'B gets no image from A for b, c: none has enough sure pixels of it'
    ]


def test_no_image_at_all_is_told():
    given = exchange_by_class(statistics([[1, 2]]), [0, 1], 5)
    assert given == Exchange((), (), (0, 1))
    (line,) = exchange_warnings(given, 'ab', 'A', 'B')
    assert line.startswith('B gets no image from A: none has enough')


def test_full_exchanges_need_no_warning():
    assert exchange_warnings(Exchange((0,), (0,), ()), 'a', 'A', 'B') == []


def test_confidence_compares_the_models_image_by_image():
    """Image 1: (0.9 - 0.4) 0.6 = 0.3; image 0: (0.9 - 0.8) 0.2 = 0.02."""
    giver = statistics([[9, 0], [9, 0]], [[0.9, 0], [0.9, 0]])
    receiver = statistics([[9, 0], [9, 0]], [[0.8, 0], [0.4, 0]])
    given = exchange_by_confidence(giver, receiver, 2)
    assert given == Exchange((1, 0), (0, 0), (1,))


def test_a_class_that_the_receiver_misses_is_in_full_demand():
    """Means over two classes: (0 + 0.5) / 2, and 0.3 for a single class."""
    giver = statistics([[9, 9], [9, 0]], [[0.5, 0.5], [0.9, 0]])
    receiver = statistics([[9, 0], [9, 0]], [[0.6, 0], [0.4, 0]])
    given = exchange_by_confidence(giver, receiver, 2)
    assert (given.indices, given.classes) == ((1, 0), (0, 1))


def test_of_equal_demand_more_classes_come_first():
    giver = statistics([[9, 0], [9, 9], [9, 9]], keys=['a', 'c', 'b'])
    given = exchange_by_confidence(giver, giver, 3)
    assert given.indices == (2, 1, 0)


def test_images_are_compared_by_key():
    giver = statistics([[9], [9]], [[0.9], [0.9]], keys=['a', 'b'])
    receiver = statistics([[9], [9]], [[0.4], [0.8]], keys=['b', 'a'])
    assert exchange_by_confidence(giver, receiver, 1).indices == (1,)


def test_images_of_one_model_only_are_refused():
    giver, receiver = statistics([[9]], keys='a'), statistics([[9]], keys='b')
    with pytest.raises(DataError, match="the first is 'a'"):
        exchange_by_confidence(giver, receiver, 1)


@pytest.mark.parametrize(
    ('order', 'indices'),
    [('difference', (1, 2, 0)), ('demand', (2, 0, 1))],
)
def test_orders_of_a_whole_exchange(order, indices):
    """Thresholds: receiver less giver 0.1, -0.3, -0.2."""
    giver = statistics([[MANY, 0, 0], [0, MANY, 0], [0, 0, MANY]])
    giver = in_memory(giver, (0.5, 0.9, 0.7))
    receiver = in_memory(giver.statistics, (0.55, 0.6, 0.5))
    assert choose_exchange(giver, receiver, 9, order).indices == indices


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(order='random'), "exchange='random'"),
        (dict(number=0), 'number=0: must be'),
        (dict(min_pixels=-1), 'min_pixels=-1: must be'),
        (dict(control=1.5), 'control=1.5: must be'),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    labels = in_memory(statistics([[1, 1, 1]]))
    with pytest.raises(ConfigError, match=message):
        choose_exchange(labels, labels, **dict(number=1) | change)


def test_other_classes_are_refused():
    three, two = (in_memory(statistics([[1] * n])) for n in (3, 2))
    with pytest.raises(DataError, match=r'other classes \(a, b, c; a, b\)'):
        choose_exchange(three, two, 1)
