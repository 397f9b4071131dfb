"""Every id of tables of other sets than those of ADVENT, written down.

From the published tables where there are; ids that are not here are ignored.
"""

import pytest
from mmseg.datasets import MapillaryDataset_v1, MapillaryDataset_v2

from mmuda.datasets.labels.idd_labels import IDD_LABELS
from mmuda.datasets.labels.label_maps import LABEL_SETS, VALID_IDS, label_table

IDD_7 = {
    0: 0, 2: 0, 3: 0, 19: 1, 20: 1, 21: 1, 29: 1, 23: 2, 24: 2, 25: 2, 26: 2,
    32: 3, 33: 4, 6: 5, 8: 5, 9: 6, 10: 6, 11: 6, 12: 6, 13: 6, 14: 6, 15: 6,
    16: 6, 17: 6, 18: 6,
}  # fmt: skip
IDD_19 = {
    0: 0, 3: 1, 29: 2, 20: 3, 21: 4, 26: 5, 25: 6, 24: 7, 32: 8, 5: 9, 33: 10,
    6: 11, 8: 12, 12: 13, 13: 14, 14: 15, 17: 16, 9: 17, 10: 18,
}  # fmt: skip
IDD_16 = {
    0: 0, 3: 1, 29: 2, 20: 3, 21: 4, 26: 5, 25: 6, 24: 7, 32: 8, 33: 9, 6: 10,
    8: 11, 12: 12, 14: 13, 9: 14, 10: 15,
}  # fmt: skip
TRAIN_7 = {
    0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 2, 8: 3, 9: 3, 10: 4,
    11: 5, 12: 5, 13: 6, 14: 6, 15: 6, 16: 6, 17: 6, 18: 6,
}  # fmt: skip
VISTAS_7 = {
    2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 0,
    13: 0, 14: 0, 15: 0, 16: 1, 17: 1, 18: 1, 19: 5, 20: 5, 21: 5, 22: 5,
    23: 0, 24: 0, 27: 4, 29: 0, 30: 3, 43: 2, 44: 2, 45: 2, 46: 2, 47: 2,
    48: 2, 49: 2, 50: 2, 52: 6, 53: 6, 54: 6, 55: 6, 56: 6, 57: 6, 58: 6,
    59: 6, 60: 6, 61: 6, 62: 6,
}  # fmt: skip
ADAS_7 = {
    2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 0,
    13: 0, 14: 0, 15: 0, 16: 1, 17: 1, 18: 1, 19: 5, 20: 5, 21: 5, 22: 5,
    27: 4, 30: 3, 43: 2, 44: 2, 45: 2, 46: 2, 47: 2, 48: 2, 49: 2, 50: 2,
    52: 6, 53: 6, 54: 6, 55: 6, 56: 6, 57: 6, 58: 6, 59: 6, 60: 6, 61: 6,
    62: 6,
}  # fmt: skip
ADAS_19 = {
    2: 1, 3: 4, 6: 3, 13: 0, 15: 1, 17: 2, 19: 11, 20: 12, 21: 12, 22: 12,
    24: 0, 27: 10, 29: 9, 30: 8, 41: 0, 45: 5, 47: 5, 48: 6, 50: 7, 52: 18,
    54: 15, 55: 13, 57: 17, 58: 16, 61: 14,
}  # fmt: skip

# v2.0: construction 2-7, 10-12, 26-29; flat 13-25, markings 35-58; human
# 30-34; lights 90-95; signs 96-103; vehicles 105-116.
MARKINGS = dict.fromkeys(range(35, 59), 0)
V2_ADAS_7 = {
    2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 10: 1, 11: 1, 12: 1, 13: 0, 14: 0,
    15: 0, 16: 0, 17: 0, 18: 0, 19: 0, 20: 0, 21: 0, 22: 0, 23: 0, 24: 0,
    25: 0, 26: 1, 27: 1, 28: 1, 29: 1, 30: 5, 31: 5, 32: 5, 33: 5, 34: 5,
    61: 4, 64: 3, 77: 2, 84: 2, 85: 2, 87: 2, 88: 2, 90: 2, 91: 2, 92: 2,
    93: 2, 94: 2, 95: 2, 96: 2, 97: 2, 98: 2, 99: 2, 100: 2, 101: 2, 102: 2,
    103: 2, 105: 6, 106: 6, 107: 6, 108: 6, 109: 6, 110: 6, 111: 6, 112: 6,
    113: 6, 114: 6, 115: 6, 116: 6,
}  # fmt: skip
V2_7 = V2_ADAS_7 | MARKINGS | {63: 0}
V2_19 = {
    5: 4, 12: 3, 21: 0, 24: 1, 27: 2, 28: 2, 30: 11, 31: 11, 32: 12, 33: 12,
    34: 12, 61: 10, 63: 9, 64: 8, 85: 5, 90: 6, 91: 6, 92: 6, 93: 6, 94: 6,
    95: 6, 96: 7, 97: 7, 98: 7, 99: 7, 100: 7, 101: 7, 102: 7, 103: 7,
    105: 18, 107: 15, 108: 13, 110: 17, 111: 16, 114: 14,
}  # fmt: skip
V2_ADAS_19 = (
    V2_19
    | MARKINGS
    | {4: 1, 45: 255, 56: 255, 74: 0, 88: 5}
    | dict.fromkeys((96, 97, 98, 102), 255)
)

# The consistent seven classes differ from the published ones in these ids.
GTA5_7 = {
    7: 0, 8: 0, 22: 0, 11: 1, 12: 1, 13: 1, 17: 2, 19: 2, 20: 2, 21: 3,
    23: 4, 24: 5, 25: 5, 26: 6, 27: 6, 28: 6, 31: 6, 32: 6, 33: 6,
}  # fmt: skip
SYNTHIA_7 = {
    3: 0, 4: 0, 16: 0, 2: 1, 21: 1, 5: 1, 7: 2, 15: 2, 9: 2, 6: 3, 1: 4,
    10: 5, 17: 5, 8: 6, 18: 6, 19: 6, 20: 6, 12: 6, 11: 6,
}  # fmt: skip
CARLA_19 = {
    1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10,
    12: 11, 13: 12, 14: 13, 15: 14, 16: 15, 17: 16, 18: 17, 19: 18, 24: 0,
}  # fmt: skip
CARLA_7 = {
    1: 0, 2: 0, 24: 0, 3: 1, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 9: 3, 10: 3, 11: 4,
    12: 5, 13: 5, 14: 6, 15: 6, 16: 6, 17: 6, 18: 6, 19: 6,
}  # fmt: skip
OLD_CARLA_19 = {
    1: 2, 2: 4, 4: 11, 5: 5, 6: 0, 7: 0, 8: 1, 9: 8, 10: 13, 11: 3, 12: 7,
    13: 10, 18: 6, 22: 9,
}  # fmt: skip
OLD_CARLA_7 = {
    1: 1, 2: 1, 4: 5, 5: 2, 6: 0, 7: 0, 8: 0, 9: 3, 10: 6, 11: 1, 12: 2,
    13: 4, 18: 2, 22: 3,
}  # fmt: skip
CITYSCAPES_CONSISTENT = {14: 1, 15: 1, 16: 1, 22: 3}
IDS = {
    'cityscapes': [*range(34), 255],
    'gta5': [*range(35)],
    'synthia': [*range(23)],
    'idd': [*range(40)],
    'mapillary_vistas': [*range(66)],
    'mapillary_vistas_adas': [*range(66)],
    'mapillary_vistas_v2': [*range(124)],
    'mapillary_vistas_v2_adas': [*range(124)],
    'train_ids': [*range(19), 255],
    'bdd100k': [*range(19), 255],
    'urbansyn': [*range(20), 255],
    'carla': [*range(29)],
    'carla_0.9.13': [*range(23)],
}


def assert_table(id_list, label_set, trained):
    expected = {i: trained.get(i, 255) for i in IDS[id_list]}
    assert label_table(id_list, label_set) == expected


@pytest.mark.parametrize(
    ('id_list', 'label_set', 'trained'),
    [
        ('idd', 'seven_class', IDD_7),
        ('idd', 'cityscapes19', IDD_19),
        ('idd', 'synthia16', IDD_16),
        ('bdd100k', 'seven_class', TRAIN_7),
        ('bdd100k', 'cityscapes19', {i: i for i in range(19)}),
        ('urbansyn', 'seven_class', TRAIN_7),
        ('urbansyn', 'cityscapes19', {i: i for i in range(19)}),
        ('carla', 'seven_class', CARLA_7),
        ('carla', 'cityscapes19', CARLA_19),
        ('carla_0.9.13', 'seven_class', OLD_CARLA_7),
        ('carla_0.9.13', 'cityscapes19', OLD_CARLA_19),
        ('mapillary_vistas', 'seven_class', VISTAS_7),
        ('mapillary_vistas_adas', 'seven_class', ADAS_7),
        ('mapillary_vistas_adas', 'cityscapes19', ADAS_19),
        ('mapillary_vistas_v2', 'seven_class', V2_7),
        ('mapillary_vistas_v2', 'cityscapes19', V2_19),
        ('mapillary_vistas_v2_adas', 'seven_class', V2_ADAS_7),
        ('mapillary_vistas_v2_adas', 'cityscapes19', V2_ADAS_19),
    ],
)
def test_every_id_of_every_target_table(id_list, label_set, trained):
    assert_table(id_list, label_set, trained)


@pytest.mark.parametrize(
    ('id_list', 'published', 'changed'),
    [
        ('gta5', GTA5_7, CITYSCAPES_CONSISTENT),
        ('cityscapes', GTA5_7 | {29: 6, 30: 6}, CITYSCAPES_CONSISTENT),
        ('synthia', SYNTHIA_7, {16: 3}),
        ('idd', IDD_7, {5: 3, 22: 1, 23: 255, 30: 1, 31: 1}),
        ('mapillary_vistas', VISTAS_7, {29: 3}),
        ('mapillary_vistas_adas', ADAS_7, {29: 3}),
        ('mapillary_vistas_v2', V2_7, {63: 3}),
        ('mapillary_vistas_v2_adas', V2_ADAS_7, {63: 3}),
        ('train_ids', TRAIN_7, {}),
        ('bdd100k', TRAIN_7, {}),
        ('urbansyn', TRAIN_7, {}),
        ('carla', CARLA_7, {26: 1, 28: 1}),
        ('carla_0.9.13', OLD_CARLA_7, {15: 1, 17: 1}),
    ],
)
def test_every_id_of_every_consistent_table(id_list, published, changed):
    assert_table(id_list, 'seven_class_consistent', published | changed)


def test_the_lists_of_ids_are_these():
    assert {name: [*ids] for name, ids in VALID_IDS.items()} == IDS


def test_consistent_classes_are_the_seven():
    assert LABEL_SETS['seven_class_consistent'] == LABEL_SETS['seven_class']


@pytest.mark.parametrize(
    ('label', 'idd', 'vistas', 'vistas_v2', 'cityscapes', 'train_id'),
    [
        ('terrain', 5, 29, 63, 22, 3),
        ('bridge', 30, 16, 26, 15, 1),
        ('tunnel', 31, 18, 29, 16, 1),
        ('guard rail', 22, 4, 6, 14, 1),
        # no label of Cityscapes is for billboards: 0 is unlabeled
        ('billboard', 23, 35, 78, 0, 255),
    ],
)
def test_consistent_tables_agree(
    label, idd, vistas, vistas_v2, cityscapes, train_id
):
    ids = {
        'idd': idd,
        'mapillary_vistas': vistas,
        'mapillary_vistas_adas': vistas,
        'mapillary_vistas_v2': vistas_v2,
        'mapillary_vistas_v2_adas': vistas_v2,
        'cityscapes': cityscapes,
        'gta5': cityscapes,
    }
    tables = {x: label_table(x, 'seven_class_consistent') for x in ids}
    found = {x: tables[x][ids[x]] for x in ids}
    assert found == dict.fromkeys(ids, train_id)


@pytest.mark.parametrize(
    ('labels', 'count', 'ids'),
    [
        (IDD_LABELS, 40, {5: 'non-drivable fallback', 28: 'obs-str-bar-'
                          'fallback', 35: 'unlabeled', 39: 'license plate'}),
        (MapillaryDataset_v1.METAINFO['classes'], 66,
         {13: 'Road', 43: 'Pothole', 65: 'Unlabeled'}),
        (MapillaryDataset_v2.METAINFO['classes'], 124,
         {21: 'Road', 56: 'Lane Marking (only) - Crosswalk', 77: 'Pothole',
          96: 'Traffic Sign - Ambiguous', 123: 'Unlabeled'}),
    ],
)  # fmt: skip
def test_labels_are_where_their_ids_say(labels, count, ids):
    assert len(labels) == count
    assert {i: labels[i] for i in ids} == ids
