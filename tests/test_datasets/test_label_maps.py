import pytest

from mmuda.datasets.labels.label_maps import (
    LABEL_SETS,
    SYNTHIA_13_CLASSES,
    label_set_metainfo,
    label_table,
)
from mmuda.utils.errors import ConfigError

# Written down from the published tables, ids that are not here are ignored.
CITYSCAPES_19 = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9,
    23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
CITYSCAPES_16 = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 23: 9,
    24: 10, 25: 11, 26: 12, 28: 13, 32: 14, 33: 15,
}  # fmt: skip
CITYSCAPES_7 = {
    7: 0, 8: 0, 11: 1, 12: 1, 13: 1, 17: 2, 19: 2, 20: 2, 21: 3, 22: 3,
    23: 4, 24: 5, 25: 5, 26: 6, 27: 6, 28: 6, 29: 6, 30: 6, 31: 6, 32: 6,
    33: 6,
}  # fmt: skip
GTA5_7 = {
    7: 0, 8: 0, 22: 0, 11: 1, 12: 1, 13: 1, 17: 2, 19: 2, 20: 2, 21: 3,
    23: 4, 24: 5, 25: 5, 26: 6, 27: 6, 28: 6, 31: 6, 32: 6, 33: 6,
}  # fmt: skip
SYNTHIA_19 = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10,
    10: 11, 17: 12, 8: 13, 18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
}  # fmt: skip
SYNTHIA_16 = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 1: 9, 10: 10,
    17: 11, 8: 12, 19: 13, 12: 14, 11: 15,
}  # fmt: skip
SYNTHIA_7 = {
    3: 0, 4: 0, 16: 0, 2: 1, 21: 1, 5: 1, 7: 2, 15: 2, 9: 2, 6: 3, 1: 4,
    10: 5, 17: 5, 8: 6, 18: 6, 19: 6, 20: 6, 12: 6, 11: 6,
}  # fmt: skip
TRAIN_16 = {
    0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 10: 9, 11: 10,
    12: 11, 13: 12, 15: 13, 17: 14, 18: 15,
}  # fmt: skip
TRAIN_7 = {
    0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 2, 8: 3, 9: 3, 10: 4,
    11: 5, 12: 5, 13: 6, 14: 6, 15: 6, 16: 6, 17: 6, 18: 6,
}  # fmt: skip
TRAIN_10 = {
    0: 0, 1: 1, 2: 2, 4: 3, 5: 4, 7: 5, 8: 6, 10: 7, 11: 8, 13: 9,
}  # fmt: skip
IDS = {
    'cityscapes': [*range(34), 255],
    'gta5': list(range(35)),
    'synthia': list(range(23)),
    'train_ids': [*range(19), 255],
}


@pytest.mark.parametrize(
    ('id_list', 'label_set', 'trained'),
    [
        ('cityscapes', 'cityscapes19', CITYSCAPES_19),
        ('cityscapes', 'synthia16', CITYSCAPES_16),
        ('cityscapes', 'seven_class', CITYSCAPES_7),
        ('gta5', 'cityscapes19', CITYSCAPES_19),
        ('gta5', 'synthia16', CITYSCAPES_16),
        ('gta5', 'seven_class', GTA5_7),
        ('synthia', 'cityscapes19', SYNTHIA_19),
        ('synthia', 'synthia16', SYNTHIA_16),
        ('synthia', 'seven_class', SYNTHIA_7),
        ('train_ids', 'cityscapes19', {i: i for i in range(19)}),
        ('train_ids', 'synthia16', TRAIN_16),
        ('train_ids', 'seven_class', TRAIN_7),
        ('train_ids', 'carla_camvid10', TRAIN_10),
    ],
)
def test_every_id_of_every_table(id_list, label_set, trained):
    expected = {i: trained.get(i, 255) for i in IDS[id_list]}
    assert label_table(id_list, label_set) == expected


def test_class_names():
    nineteen = (
        'road sidewalk building wall fence pole,traffic light,traffic sign,'
        'vegetation terrain sky person rider car truck bus train motorcycle '
        'bicycle'
    )
    names = []
    for part in nineteen.split(','):
        names += [part] if part.startswith('traffic') else part.split()
    assert LABEL_SETS['cityscapes19'] == tuple(names)


def test_synthia16_drops_terrain_truck_and_train():
    dropped = set(LABEL_SETS['cityscapes19']) - set(LABEL_SETS['synthia16'])
    assert dropped == {'terrain', 'truck', 'train'}
    assert len(LABEL_SETS['synthia16']) == 16


def test_synthia_13_classes():
    dropped = set(LABEL_SETS['synthia16']) - set(SYNTHIA_13_CLASSES)
    assert dropped == {'wall', 'fence', 'pole'}
    assert len(SYNTHIA_13_CLASSES) == 13


def test_metainfo_has_cityscapes_colours():
    metainfo = label_set_metainfo('synthia16')
    assert metainfo['classes'][9] == 'sky'
    assert metainfo['palette'][9] == [70, 130, 180]
    assert metainfo['palette'][15] == [119, 11, 32]


def test_metainfo_is_not_shared():
    label_set_metainfo('seven_class')['palette'][0][0] = 7
    assert label_set_metainfo('seven_class')['palette'][0] == [128, 64, 128]


def test_unknown_label_set_names_the_choices():
    with pytest.raises(ConfigError, match=r"'cityscapes20'.*'seven_class'"):
        label_set_metainfo('cityscapes20')


def test_unknown_id_list_names_the_choices():
    with pytest.raises(ConfigError, match=r"'vistas'.*'synthia'"):
        label_table('vistas', 'cityscapes19')
