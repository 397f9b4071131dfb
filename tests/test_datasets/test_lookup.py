import numpy as np
import pytest

from mmuda.datasets.labels.label_maps import (
    UNKNOWN_ID,
    identity_table,
    label_table,
    lookup_table,
)
from mmuda.utils.errors import ConfigError


@pytest.mark.parametrize(
    ('id_list', 'known'),
    [
        ('cityscapes', {*range(34), 255}),
        ('gta5', set(range(35))),
        ('synthia', set(range(23))),
        ('train_ids', {*range(19), 255}),
    ],
)
def test_all_256_values(id_list, known):
    table = label_table(id_list, 'cityscapes19')
    lut = lookup_table(table, num_classes=19)
    expected = [table[i] if i in known else 254 for i in range(256)]
    assert lut.dtype == np.uint8
    assert lut.tolist() == expected


def test_list_positions_are_ids():
    lut = lookup_table([255, 0, 1], num_classes=2)
    assert lut[:4].tolist() == [255, 0, 1, UNKNOWN_ID]


def test_minus_one_is_255():
    assert lookup_table({-1: 1}, num_classes=2)[255] == 1
    assert lookup_table({-1: 1, 255: 1}, num_classes=2)[255] == 1
    with pytest.raises(ConfigError, match='1 for -1 and 0 for 255'):
        lookup_table({-1: 1, 255: 0}, num_classes=2)


def test_ids_may_be_strings_of_a_dumped_config():
    assert lookup_table({'7': 1}, num_classes=2)[7] == 1


def test_others_gives_all_unlisted_ids():
    lut = lookup_table({7: 0, 'others': 255}, num_classes=1)
    # Of 16 bits.
    assert np.count_nonzero(lut == 255) == 65535


def test_ids_above_255_make_a_longer_table():
    lut = lookup_table({1000: 3}, num_classes=4)
    assert lut.shape == (1001,)
    assert lut[1000] == 3


def test_identity_table():
    assert identity_table(2) == {0: 0, 1: 1, 255: 255}


@pytest.mark.parametrize('train_id', [2, 254, -1])
def test_impossible_train_id(train_id):
    with pytest.raises(ConfigError, match=rf'\[{train_id}\].*0\.\.1 or 255'):
        lookup_table({0: train_id}, num_classes=2)


@pytest.mark.parametrize('table', [{-2: 0}, {65536: 0}, {}])
def test_impossible_id(table):
    with pytest.raises(ConfigError, match=r'within 0\.\.65535'):
        lookup_table(table, num_classes=1)


@pytest.mark.parametrize(
    ('table', 'message'),
    [
        ({'a': 1}, "the id 'a'; it must be a whole number"),
        ({1: 'x'}, "the train id 'x'; it must be a whole number"),
        ({1: 0.5}, 'the train id 0.5; it must be a whole number'),
        ({1.5: 0}, 'the id 1.5; it must be a whole number'),
        ({None: 0}, 'the id None; it must be a whole number'),
        ([True], 'the train id True; it must be a whole number'),
    ],
)
def test_entry_that_is_no_whole_number(table, message):
    with pytest.raises(ConfigError, match=f'label_table has {message}'):
        lookup_table(table, num_classes=19)
