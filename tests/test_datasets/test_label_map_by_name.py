"""``label_map={7: 'road'}``: ids of label files by the names of classes."""

import json

import numpy as np
import pytest
from mmengine.config import Config
from toy_images import LOAD, folder_config, make_image, make_label

from mmuda.datasets.data_checks import examine_dataset
from mmuda.datasets.images.image_io import map_ids
from mmuda.datasets.labels.label_maps import LABEL_SETS
from mmuda.datasets.labels.named_ids import table_of_names
from mmuda.registry import DATASETS
from mmuda.utils.config import load_config
from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.errors import ConfigError, DataError

PACK = dict(type='PackDomainInputs')
CLASSES = LABEL_SETS['carla_camvid10']
ROAD, SKY, CAR = (CLASSES.index(name) for name in ('road', 'sky', 'car'))


@pytest.fixture
def folder(tmp_path):
    """Ids 7, 300 and 11 in 50, 25 and 20 % of the pixels; 255 in the rest."""
    ids = np.full((10, 20), 7, np.uint16)
    ids[5:, :10] = 300
    ids[5:, 10:18] = 11
    ids[5:, 18:] = 255
    make_image(tmp_path / 'images/a.jpg', size=(10, 20))
    make_label(tmp_path / 'labels/a.png', ids)
    return tmp_path


def build(folder, label_map, **options):
    config = folder_config(folder, pipeline=[*LOAD, PACK], **options)
    return DATASETS.build(config | dict(label_map=label_map))


def test_ids_become_the_classes_of_their_names(folder):
    dataset = build(folder, {7: 'road', 300: 'car'})
    label = dataset[0]['data_samples'].gt_sem_seg.data[0]
    assert (label[:5] == ROAD).all()
    assert (label[5:, :10] == CAR).all()
    assert (label[5:, 10:] == 255).all()


def test_classes_of_ones_own(folder):
    meta = dict(classes=('sky', 'road'), palette=[[0, 0, 9], [9, 9, 9]])
    names = {7: 'road', 11: 'sky', 300: 'road'}
    dataset = build(folder, names, label_set=None, metainfo=meta)
    label = dataset[0]['data_samples'].gt_sem_seg.data[0]
    assert np.bincount(label.flatten())[:2].tolist() == [40, 150]


def test_coverage_and_ids_that_are_not_named(folder):
    report = examine_dataset(build(folder, {7: 'road', 300: 'car'}))
    (line,) = report.lines
    assert line.endswith(
        'by label_map road 50.00%, car 25.00%, ignored 25.00%'
    )
    (warning,) = [text for text in report.warnings if 'label_map' in text]
    assert 'does not name 1 id(s) of the labels, 20.00% of' in warning
    assert ': 11 (20.00%);' in warning


@pytest.mark.parametrize(
    'table',
    [
        dict(label_map={7: 'road'}),
        dict(label_table={7: ROAD, 'others': 255}),
    ],
)
def test_ids_above_the_largest_that_is_listed_are_ignored(folder, table):
    config = folder_config(folder, pipeline=[*LOAD, PACK], **table)
    dataset = DATASETS.build(config)
    label = dataset[0]['data_samples'].gt_sem_seg.data[0]
    assert (label[:5] == ROAD).all()
    assert (label[5:] == 255).all()
    assert examine_dataset(dataset).faults == []


def test_what_no_label_map_can_name_is_no_matter_of_tables(folder):
    lut = build(folder, {7: 'road'}).label_lut
    ids = np.array([[7, 70000]], np.int32)
    with pytest.raises(DataError, match='ids .70000.*correct seg_map_suf'):
        map_ids(ids, lut, 'a.tif')
    few = build(folder, None, label_table={7: 0}).label_lut
    with pytest.raises(DataError, match='correct label_table, seg_map_suf'):
        map_ids(ids, few, 'a.tif')


def test_labels_without_a_class_name_the_key_that_is_set(folder):
    doubts = examine_dataset(build(folder, {8: 'road'})).doubts
    assert 'Correct label_map, label_set or' in doubts[0]
    table = {8: 0, 'others': 255}
    doubts = examine_dataset(build(folder, None, label_table=table)).doubts
    assert 'Correct label_table, label_set or' in doubts[0]


def test_two_classes_by_0_and_255_are_given_in_the_form_that_is_set(folder):
    ids = np.zeros((10, 20), np.uint8)
    ids[5:] = 255
    make_label(folder / 'labels/a.png', ids)
    own = dict(label_set=None, metainfo=dict(classes=('no', 'yes')))
    (doubt,) = examine_dataset(build(folder, {0: 'no'}, **own)).doubts
    assert doubt.endswith("set label_map={0: 'no', 255: 'yes'}")
    (doubt,) = examine_dataset(build(folder, None, **own)).doubts
    assert doubt.endswith('set label_table={0: 0, 255: 1}')


def test_an_id_that_is_ignored_on_purpose_is_not_told(folder):
    report = examine_dataset(build(folder, {7: 'road', 300: 'car', 11: None}))
    assert [text for text in report.warnings if 'label_map' in text] == []


def test_text_of_a_command_line():
    named = {'7': 'car', 7: 'car', '-1': 'sky'}
    table = table_of_names(named, CLASSES)
    assert table == {7: CAR, 255: SKY, 'others': 255}


def test_a_config_with_it_is_valid_and_is_merged(folder):
    config = folder_config(folder, pipeline=[*LOAD, PACK])
    cfg = Config(dict(val_dataloader=dict(batch_size=1, dataset=config)))
    place = 'val_dataloader.dataset.label_map'
    cfg.merge_from_dict({f'{place}.7': 'road', f'{place}.300': 'car'})
    check_config_keys(cfg)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert dataset.label_lut[[7, 300, 8]].tolist() == [ROAD, CAR, 255]


def test_it_takes_the_place_of_the_table_of_a_published_set(tmp_path):
    make_image(tmp_path / 'images/a.png')
    make_label(tmp_path / 'labels/a.png', np.full((8, 12), 7, np.uint8))
    prefix = dict(img_path='images', seg_map_path='labels')
    options = dict(data_root=str(tmp_path), data_prefix=prefix)
    dataset = DATASETS.build(
        dict(type='GTA5Dataset', label_map={7: 'car'}, **options)
    )
    car = LABEL_SETS['cityscapes19'].index('car')
    assert dataset.label_lut[[7, 8, 26]].tolist() == [car, 255, 255]


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        ('CARLATagsDataset', {}),
        ('MapillaryVistasDataset', dict(img_suffix='.png')),
        ('IDDDataset', dict(img_suffix='.png', seg_map_suffix='.png')),
        ('SYNTHIADataset', {}),
    ],
)
def test_it_takes_the_place_of_each_default(kind, options, tmp_path):
    make_image(tmp_path / 'images/a.png')
    make_label(tmp_path / 'labels/a.png', np.full((8, 12), 7, np.uint8))
    prefix = dict(img_path='images', seg_map_path='labels')
    dataset = DATASETS.build(
        dict(
            type=kind,
            data_root=str(tmp_path),
            data_prefix=prefix,
            label_map={7: 'sky'},
            **options,
        )
    )
    sky = dataset.metainfo['classes'].index('sky')
    assert dataset.label_lut[[7, 1]].tolist() == [sky, 255]


@pytest.mark.parametrize(
    ('label_map', 'message'),
    [
        ({7: 'raod'}, r"no class 'raod' \(did you mean 'road'\?\)"),
        # The key as it was written, not the id that it stands for.
        ({-1: 'raod'}, r"^label_map=\{-1: 'raod'\}: there is no class"),
        ({'8': 3}, r"^label_map=\{'8': 3\} has no name of a class"),
        ({7.0: 'road'}, 'the id 7.0, which is no whole number'),
        (
            {7: 'road', 'others': None},
            "^label_map has 'others', which label_table alone knows; leave it "
            'out, as all ids that label_map does not name are ignored$',
        ),
        ({70000: 'road'}, r'id 70000; ids of label files are 0\.\.65535'),
        ({-2: 'road'}, 'id -2'),
        ({'road': 7}, "has a class before its id; write {id: 'class'}"),
        ({7: 0}, 'Train ids are written in label_table'),
        ({'x': 'road'}, "the id 'x', which is no whole number"),
        ({True: 'road'}, 'the id True'),
        ({7: None}, 'names no class'),
        ({}, "write {id: 'class'}"),
        ([7], "write {id: 'class'}"),
        ('road', "write {id: 'class'}"),
        ({7: 'road', '7': 'car'}, "id 7: its key '7' says 'car', .*'road'"),
        ({255: None, -1: 'sky'}, 'id 255: its key -1 says .* one of the same'),
    ],
)
def test_mistakes(label_map, message):
    with pytest.raises(ConfigError, match=message):
        table_of_names(label_map, CLASSES)


def test_two_forms_are_refused(folder):
    with pytest.raises(ConfigError, match='both say what the ids'):
        build(folder, {7: 'road'}, label_table='train_ids')
    for other in ([7], 'road', 7):
        with pytest.raises(ConfigError, match="write {id: 'class'}"):
            build(folder, other, label_table='train_ids')


@pytest.mark.parametrize(
    ('option', 'value', 'expected'),
    [
        ('', {11: 'sky'}, {7: 'road', 11: 'sky'}),
        ('', {'7': 'car'}, {7: 'car'}),
        ('', {7: 'car'}, {7: 'car'}),
        ('.7', 'car', {7: 'car'}),
        ('.-1', 'sky', {7: 'road', '-1': 'sky'}),
    ],
)
def test_options_replace_ids_of_the_config(
    option, value, expected, folder, tmp_path
):
    config = folder_config(folder, pipeline=[*LOAD, PACK])
    dataset = config | dict(label_map={7: 'road'})
    path = tmp_path / 'named.py'
    loader = dict(batch_size=1, dataset=dataset)
    Config(dict(val_dataloader=loader)).dump(path)
    place = f'val_dataloader.dataset.label_map{option}'
    found = load_config(path, {place: value}).val_dataloader.dataset
    assert found.label_map.to_dict() == expected


def test_it_survives_a_file(folder):
    names = json.loads(json.dumps({7: 'road', 300: None}))
    assert build(folder, names).label_lut[[7, 300]].tolist() == [ROAD, 255]
