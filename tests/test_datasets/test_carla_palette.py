"""Labels of CARLA in the colours of its Cityscapes palette."""

import pickle
import shutil

import cv2
import numpy as np
import pytest
from toy_images import make_image

from mmuda.datasets import CARLATagsDataset, examine_dataset, scan_dataset
from mmuda.datasets.labels.carla_palette import PALETTES, PaletteReader
from mmuda.datasets.labels.label_maps import VALID_IDS, label_table
from mmuda.utils.errors import DataError

SIZE = (16, 24)
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
PREFIX = dict(img_path='rgb', seg_map_path='semantic')
TABLES = ['carla', 'carla_0.9.13']
ROAD, SKY, CAR = (128, 64, 128), (70, 130, 180), (0, 0, 142)
TERRAIN = dict(zip(TABLES, ((152, 251, 152), (145, 170, 100)), strict=True))


def street(*more):
    """Sky over a road, with a stripe of each further colour."""
    label = np.full((*SIZE, 3), SKY, np.uint8)
    label[8:] = ROAD
    for number, colour in enumerate(more):
        label[4:8, 2 * number : 2 * number + 2] = colour
    return label


def write(root, *labels, alpha=True):
    for key, label in zip('abcdefgh', labels, strict=False):
        make_image(root / f'rgb/{key}.png', size=SIZE)
        path = root / f'semantic/{key}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        planes = [*np.moveaxis(label[..., ::-1], -1, 0)]
        planes += [np.full(SIZE, 255, np.uint8)] * alpha
        cv2.imwrite(str(path), np.dstack(planes))
    return str(root)


def build(root, **options):
    return CARLATagsDataset(PREFIX, data_root=root, pipeline=LOAD, **options)


@pytest.mark.parametrize('table', TABLES)
def test_each_tag_has_a_colour(table):
    tags = {*PALETTES[table].values()}
    assert tags == {*VALID_IDS[table]}


def test_colours_of_both_numberings_are_of_one_class():
    tables = [label_table(name, 'cityscapes19') for name in TABLES]
    new, old = (PALETTES[name] for name in TABLES)
    shared = new.keys() & old.keys()
    assert len(shared) == 22
    for colour in shared:
        train_ids = tables[0][new[colour]], tables[1][old[colour]]
        assert train_ids[0] == train_ids[1], colour


@pytest.mark.parametrize('table', TABLES)
def test_a_reader_gives_the_tags(tmp_path, table):
    colours = [*PALETTES[table]]
    label = np.array(colours * 20, np.uint8)[: 16 * 24].reshape(*SIZE, 3)
    root = write(tmp_path, label)
    reader = pickle.loads(pickle.dumps(PaletteReader(table)))
    tags = reader(f'{root}/semantic/a.png')
    expected = [PALETTES[table][colour] for colour in colours] * 20
    assert tags.ravel().tolist() == expected[: 16 * 24]


@pytest.mark.parametrize('alpha', [True, False])
@pytest.mark.parametrize('table', TABLES)
def test_colours_tell_the_numbering(tmp_path, table, alpha):
    labels = street(CAR), street(TERRAIN[table]), street()
    root = write(tmp_path, *labels, alpha=alpha)
    dataset = build(root)
    assert dataset.id_list == table
    expected = np.full(SIZE, 10)
    expected[8:], expected[4:8, :2] = 0, 9
    assert np.array_equal(dataset[1]['gt_seg_map'], expected)
    expected[4:8, :2] = 13
    assert np.array_equal(dataset[0]['gt_seg_map'], expected)
    report = examine_dataset(dataset, True)
    assert not report.faults + report.doubts + report.incomplete


@pytest.mark.parametrize('table', TABLES)
def test_without_evidence_the_numbering_is_asked_for(tmp_path, table):
    root = write(tmp_path, street(CAR), street())
    with pytest.raises(DataError, match="do not tell .*label_table='carla'"):
        build(root)
    dataset = build(root, label_table=table)
    assert np.unique(dataset[1]['gt_seg_map']).tolist() == [0, 10]


def test_the_wrong_numbering_is_refused(tmp_path):
    root = write(tmp_path, street(TERRAIN['carla']))
    message = (
        r"label_table='carla_0.9.13' does not fit: .*a.png' has the colour "
        r'\(152, 251, 152\), which is of 0.9.14 or later'
    )
    with pytest.raises(DataError, match=message):
        build(root, label_table='carla_0.9.13')


def test_both_numberings_are_refused(tmp_path):
    new, old = TERRAIN.values()
    root = write(tmp_path, street(new), street(old))
    with pytest.raises(
        DataError, match=r'a.png.*, but .*b.png.* colour \(145'
    ):
        build(root)
    root = write(tmp_path, street(new, old))
    with pytest.raises(DataError, match=r'a.png.*colours of both numberings'):
        build(root)


@pytest.mark.parametrize('table', ['auto', *TABLES])
def test_unknown_colours_are_refused(tmp_path, table):
    root = write(tmp_path, street((128, 64, 127)))
    message = r'has 1 colours that .*CityScapesP.* \(128, 64, 127\): it was'
    with pytest.raises(DataError, match=message):
        build(root, label_table=table)


def test_unknown_colours_of_later_labels_are_refused(tmp_path):
    labels = [street(TERRAIN['carla'])] * 3
    dataset = build(write(tmp_path, *labels))
    write(tmp_path, *labels[:2], street((1, 2, 3)))
    with pytest.raises(DataError, match=r"c.png.*'carla' has not.*\(1, 2, 3"):
        dataset[2]


def test_tags_among_colours_are_refused(tmp_path):
    root = write(tmp_path, street(TERRAIN['carla']))
    make_image(tmp_path / 'rgb/b.png', size=SIZE)
    tags = np.full(SIZE, 1, np.uint8)
    cv2.imwrite(f'{root}/semantic/b.png', tags)
    with pytest.raises(DataError, match=r'b.png. has no colours \(three'):
        build(root)


@pytest.mark.parametrize('odd_is_in_colours', [False, True])
def test_the_check_of_all_files_finds_a_label_of_another_kind(
    tmp_path, odd_is_in_colours
):
    """Sixteen of twenty labels are looked at before training, not this."""
    write(tmp_path, street(TERRAIN['carla']))
    colours = tmp_path / 'semantic/a.png'
    tags = np.ones(SIZE, np.uint8)
    keys = 'abcdefghijklmnopqrst'
    for key in keys[1:]:
        shutil.copy(tmp_path / 'rgb/a.png', tmp_path / f'rgb/{key}.png')
        shutil.copy(colours, tmp_path / f'semantic/{key}.png')
    for key in keys:
        if (key == 'e') != odd_is_in_colours:
            cv2.imwrite(str(tmp_path / f'semantic/{key}.png'), tags)
    dataset = build(str(tmp_path))
    assert examine_dataset(dataset).faults == []
    (fault,) = scan_dataset(dataset, progress=False)
    assert 'e.png' in fault
