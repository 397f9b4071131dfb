"""Labels of another numbering than their table are told apart."""

import itertools

import numpy as np
import pytest
from toy_images import make_image, make_label

from mmuda.datasets import PathListDataset
from mmuda.datasets.labels.label_maps import ID_NAMES, LABEL_SETS, VALID_IDS
from mmuda.datasets.labels.label_verdict import (
    check_file_names,
    other_numbering,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError

NAMES = LABEL_SETS['cityscapes19']
TRAIN_IDS = ('train_ids', 'bdd100k', 'urbansyn')
ID_TABLES = [name for name in VALID_IDS if name not in TRAIN_IDS]
DATA_SETS = [
    'ACDCDataset',
    'BDD100KDataset',
    'CARLADataset',
    'CARLATagsDataset',
    'CamVidDataset',
    'CityscapesLabelIdsDataset',
    'DarkZurichDataset',
    'FolderDataset',
    'GTA5Dataset',
    'IDDDataset',
    'MapillaryVistasDataset',
    'SYNTHIADataset',
    'SynscapesDataset',
    'UrbanSynDataset',
]
# Sets that are read by train ids.
OF_TRAIN_IDS = (
    'ACDCDataset',
    'BDD100KDataset',
    'CARLADataset',
    'CamVidDataset',
    'DarkZurichDataset',
    'UrbanSynDataset',
)
# A street that has little of what is common: counts by class.
SCENES = {
    'street': dict(road=400, building=250, vegetation=120, sky=90, car=60),
    'rare': dict(road=300, sidewalk=200, terrain=100, person=20, pole=30),
    'field': dict(road=300, vegetation=250, sky=400, terrain=50),
    'few': dict(road=500, building=300, car=200),
}


def scene(id_list, name):
    """Pixels of each id of a scene in a numbering."""
    ids = {}
    for i, label in ID_NAMES[id_list].items():
        ids.setdefault(label, i)
    return {ids[k]: n for k, n in SCENES[name].items() if k in ids}


@pytest.mark.parametrize('name', SCENES)
@pytest.mark.parametrize('id_list', VALID_IDS)
def test_labels_of_their_own_table(id_list, name):
    assert other_numbering(id_list, scene(id_list, name)) is None


@pytest.mark.parametrize('ignored', [0, 100])
@pytest.mark.parametrize('name', SCENES)
@pytest.mark.parametrize('id_list', ID_TABLES)
def test_train_ids_read_by_another_table(id_list, name, ignored):
    counts = dict(scene('train_ids', name))
    if ignored:
        counts[255] = ignored
    assert other_numbering(id_list, counts) == 'train_ids'


@pytest.mark.parametrize(
    ('id_list', 'labels'),
    [
        (a, b)
        for a, b in itertools.permutations(
            ('train_ids', 'cityscapes', 'synthia', 'idd', 'mapillary_vistas'),
            2,
        )
    ],
)
def test_other_tables_are_named(id_list, labels):
    assert other_numbering(id_list, scene(labels, 'street')) == labels


@pytest.mark.parametrize('id_list', VALID_IDS)
def test_random_ids_are_not_judged(id_list):
    rng = np.random.default_rng(0)
    counts = {i: int(rng.integers(1, 100)) for i in VALID_IDS[id_list]}
    assert other_numbering(id_list, counts) is None


@pytest.mark.parametrize('id_list', VALID_IDS)
@pytest.mark.parametrize('ids', [(), (0,), (7, 11), (255,), (0, 8, 255)])
def test_too_few_ids_to_tell(id_list, ids):
    assert other_numbering(id_list, dict.fromkeys(ids, 9)) is None


def test_tables_of_ones_own_are_not_judged():
    assert other_numbering(None, scene('synthia', 'street')) is None


# Names of files

TRAIN_SUFFIXES = [
    '_gtFine_labelTrainIds.png',
    '_labelTrainIds.png',
    '_train_id.png',
    '_TrainIDs.png',
    '.trainids.png',
    '_gtFine_labelcsTrainIds.png',
]
LABEL_SUFFIXES = [
    '_gtFine_labelIds.png',
    '_gtFine_labelids.png',
    '_label_id.png',
]


@pytest.mark.parametrize('suffix', TRAIN_SUFFIXES)
@pytest.mark.parametrize('id_list', ID_TABLES)
def test_names_of_train_ids(id_list, suffix):
    with pytest.raises(ConfigError, match="set label_table='train_ids'"):
        check_file_names(id_list, ['a.png', suffix])


@pytest.mark.parametrize('suffix', LABEL_SUFFIXES)
@pytest.mark.parametrize('id_list', TRAIN_IDS)
def test_names_of_label_ids(id_list, suffix):
    with pytest.raises(ConfigError, match="set label_table='cityscapes'"):
        check_file_names(id_list, [suffix])


@pytest.mark.parametrize('suffix', ['.png', '_train_idea.png', '_labels.png'])
@pytest.mark.parametrize('id_list', VALID_IDS)
def test_names_that_say_nothing(id_list, suffix):
    check_file_names(id_list, [suffix])


@pytest.mark.parametrize('id_list', VALID_IDS)
def test_names_that_fit(id_list):
    fitting = TRAIN_SUFFIXES if id_list in TRAIN_IDS else LABEL_SUFFIXES
    check_file_names(id_list, fitting)
    check_file_names(None, TRAIN_SUFFIXES + LABEL_SUFFIXES)


@pytest.mark.parametrize('id_list', VALID_IDS)
def test_the_last_part_of_a_path_counts(id_list):
    folders, files = '/trainIds/labelIds/', ['trainIds', 'labelIds']
    if id_list not in TRAIN_IDS:
        folders, files = '/labelIds/trainIds/', files[::-1]
    check_file_names(id_list, [f'{folders}a_{files[0]}.png'])
    with pytest.raises(ConfigError):
        check_file_names(id_list, [f'{folders}a_{files[1]}.png'])
    with pytest.raises(ConfigError):
        check_file_names(id_list, [f'{folders}a.png'])


def write(root, ids):
    make_image(root / 'images/a_leftImg8bit.png', size=(4, 5))
    make_label(root / 'labels/a_gtFine_labelTrainIds.png', ids)
    return dict(
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        img_suffix='_leftImg8bit.png',
        seg_map_suffix='_gtFine_labelTrainIds.png',
        label_set='cityscapes19',
        img_prefix='',
        seg_map_prefix='',
    )


@pytest.mark.parametrize('kind', DATA_SETS)
def test_train_ids_when_asked(tmp_path, kind):
    ids = np.array([[0, 1, 2, 10, 11], [255] * 5, [13, 18, 8, 9, 5], [0] * 5])
    options = write(tmp_path, ids.astype(np.uint8))
    pipeline = [dict(type='LoadImage'), dict(type='LoadLabels')]
    options |= dict(type=kind, label_table='train_ids', pipeline=pipeline)
    sample = DATASETS.build(options)[0]
    assert sample['gt_seg_map'].tolist() == ids.tolist()


@pytest.mark.parametrize('kind', DATA_SETS)
def test_train_ids_by_the_table_of_the_set(tmp_path, kind):
    options = dict(write(tmp_path, np.zeros((4, 5), np.uint8)), type=kind)
    if kind in OF_TRAIN_IDS:
        DATASETS.build(options)
        return
    if kind == 'FolderDataset':  # holds the train ids of its label_set
        options['label_table'] = 'cityscapes'
    with pytest.raises(ConfigError, match='TrainIds.png'):
        DATASETS.build(options)


def test_train_ids_in_a_list(tmp_path):
    write(tmp_path, np.zeros((4, 5), np.uint8))
    (tmp_path / 'images.txt').write_text('images/a_leftImg8bit.png')
    label = 'labels/a_gtFine_labelTrainIds.png'
    (tmp_path / 'gt.txt').write_text(label)
    lists = str(tmp_path / 'images.txt'), str(tmp_path / 'gt.txt')
    PathListDataset(*lists, label_table='train_ids')
    with pytest.raises(ConfigError, match=label):
        PathListDataset(*lists, label_table='gta5')


def test_the_folder_of_a_list_is_no_name_of_its_files(tmp_path):
    root = tmp_path / 'of_train_ids'
    make_image(root / 'a.png', size=(4, 5))
    make_label(root / 'b.png', np.zeros((4, 5), np.uint8))
    (root / 'images.txt').write_text('a.png')
    (root / 'gt.txt').write_text('b.png')
    lists = str(root / 'images.txt'), str(root / 'gt.txt')
    assert len(PathListDataset(*lists, label_table='cityscapes')) == 1


# Few labels


def test_one_odd_scene_is_no_other_numbering():
    """A house front of a real set, in the ids of SYNTHIA."""
    classes = dict(
        building=20467,
        vegetation=4818,
        sky=2288,
        person=2766,
        car=3535,
        bicycle=100,
    )
    ids = {name: i for i, name in ID_NAMES['synthia'].items()}
    counts = {0: 31562} | {ids[name]: n for name, n in classes.items()}
    assert other_numbering('synthia', counts, is_few=True) is None
    assert other_numbering('synthia', counts) == 'train_ids'


@pytest.mark.parametrize('id_list', ID_TABLES)
def test_train_ids_of_few_labels(id_list):
    counts = scene('train_ids', 'street')
    assert other_numbering(id_list, counts, is_few=True) == 'train_ids'
