"""Tags of CARLA as its camera writes them, in both numberings."""

import logging

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import CARLATagsDataset, examine_dataset
from mmuda.datasets.sets.carla import evidence_of, require_one
from mmuda.utils.errors import DataError

SIZE = (32, 48)
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
PREFIX = dict(img_path='rgb', seg_map_path='semantic')
# Sky, building, sidewalk, road, own vehicle, terrain, of each numbering.
NEW = dict(sky=11, building=3, sidewalk=2, road=1, car=14, terrain=10)
OLD = dict(sky=13, building=1, sidewalk=8, road=7, car=10, terrain=22)
TRAIN = dict(sky=10, building=2, sidewalk=1, road=0, car=13, terrain=9)


def street(tags, bottom='road', bonnet=0):
    """A street with a sidewalk at both sides, and rows of a bonnet."""
    label = np.full(SIZE, tags['sky'], np.uint8)
    label[8:20, :20] = tags['building']
    label[18:] = tags['sidewalk']
    label[18:, 14:34] = tags[bottom]
    label[SIZE[0] - bonnet :] = tags['car']
    return label


def write(root, *labels, channels=4, keys='abcdefgh'):
    """Images and labels as the simulator saves them, BGRA in OpenCV."""
    for key, tags in zip(keys, labels, strict=False):
        make_image(root / f'rgb/{key}.png', size=SIZE)
        path = root / f'semantic/{key}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        planes = [np.zeros_like(tags), np.zeros_like(tags), tags]
        planes.append(np.full_like(tags, 255))
        saved = tags if channels == 1 else np.dstack(planes[:channels])
        cv2.imwrite(str(path), saved)
    return str(root)


def build(root, **options):
    return CARLATagsDataset(PREFIX, data_root=root, pipeline=LOAD, **options)


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize(
    ('tags', 'table'), [(NEW, 'carla'), (OLD, 'carla_0.9.13')]
)
def test_both_numberings_give_the_same_train_ids(
    tmp_path, tags, table, channels
):
    root = write(tmp_path, street(tags), street(tags), channels=channels)
    dataset = build(root)
    assert keys_of(dataset) == ['a', 'b']
    assert dataset.id_list == table
    assert np.array_equal(dataset[1]['gt_seg_map'], street(TRAIN))


def test_ids_of_instances_beside_the_tag(tmp_path):
    root = write(tmp_path, street(NEW))
    path = f'{root}/semantic/a.png'
    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    pixels[..., :2] = np.random.default_rng(0).integers(0, 256, (*SIZE, 2))
    cv2.imwrite(path, pixels)
    (sample,) = build(root)
    assert np.array_equal(sample['gt_seg_map'], street(TRAIN))


def with_tag(label, tag):
    label = label.copy()
    label[0, 0] = tag
    return label


@pytest.mark.parametrize(
    ('label', 'table'),
    [
        (street(NEW), 'carla'),
        (street(OLD), 'carla_0.9.13'),
        (street(NEW, bonnet=6), 'carla'),
        (street(OLD, bonnet=6), 'carla_0.9.13'),
        # Only the newer numbering has a tag above 22.
        (with_tag(street(NEW, 'sidewalk'), 24), 'carla'),
        (with_tag(street(OLD), 23), 'carla'),
        # Nothing but vehicles and sidewalk at the bottom centre.
        (street(NEW, 'sidewalk'), None),
        (street(OLD, 'sidewalk'), None),
        (street(OLD, bonnet=SIZE[0]), None),
        (np.full((1, 1), 7, np.uint8), 'carla_0.9.13'),
    ],
)
def test_what_an_image_tells(label, table):
    evidence = evidence_of(label, 'x.png')
    assert (evidence and evidence.table) == table


def test_one_label_that_tells_is_enough(tmp_path):
    labels = [street(OLD, 'sidewalk')] * 5 + [street(OLD)]
    assert build(write(tmp_path, *labels)).id_list == 'carla_0.9.13'


def test_doubt_is_refused(tmp_path):
    root = write(tmp_path, *[street(NEW, 'sidewalk')] * 3)
    message = (
        rf"'{root}/semantic/a.png' and 2 more labels do not tell .*set "
        r"label_table='carla' for .* 0.9.14 or later, or 'carla_0.9.13'"
    )
    with pytest.raises(DataError, match=message):
        build(root)


def test_both_numberings_in_a_set_are_refused(tmp_path):
    root = write(tmp_path, street(OLD), with_tag(street(NEW), 24))
    message = (
        rf"'{root}/semantic/a.png' has 7 at the bottom centre.*, but "
        rf"'{root}/semantic/b.png' has the tag 24, .*label_table='carla'"
    )
    with pytest.raises(DataError, match=message):
        build(root)


def test_the_first_and_the_last_labels_are_looked_at(tmp_path):
    odd = street(NEW, 'sidewalk')
    keys = [f'{i:03}' for i in range(40)]
    labels = [street(OLD), *[odd] * 38, with_tag(odd, 28)]
    root = write(tmp_path, *labels, keys=keys)
    with pytest.raises(DataError, match=r'000.png.*, but .*039.png'):
        build(root)


@pytest.mark.parametrize(
    ('table', 'ids'), [('carla', OLD), ('carla_0.9.13', NEW)]
)
def test_the_option_wins_and_a_warning_tells(tmp_path, caplog, table, ids):
    root = write(tmp_path, street(ids, 'road'))
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = build(root, label_table=table)
    logger.removeHandler(caplog.handler)
    assert dataset.id_list == table
    (record,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert f"label_table='{table}', but '{root}/semantic/a.png' has" in (
        record.getMessage()
    )


@pytest.mark.parametrize('table', ['carla', 'carla_0.9.13'])
def test_what_does_not_tell_is_read_as_asked(tmp_path, table):
    tags = NEW if table == 'carla' else OLD
    root = write(tmp_path, street(tags, 'terrain'))
    (sample,) = build(root, label_table=table)
    assert np.array_equal(sample['gt_seg_map'], street(TRAIN, 'terrain'))


def test_numbers_that_are_no_tags_are_refused(tmp_path):
    root = write(tmp_path, with_tag(street(NEW), 29), channels=1)
    message = rf"label '{root}/semantic/a.png' has no colours .*are no ids"
    with pytest.raises(DataError, match=message):
        build(root)


def test_a_table_of_ones_own(tmp_path):
    root = write(tmp_path, street(OLD))
    own = {13: 10, 1: 2, 8: 1, 7: 0, 10: 255, 'others': 255}
    (sample,) = build(root, label_table=own)
    assert np.array_equal(sample['gt_seg_map'], street(TRAIN))


def test_images_without_labels(tmp_path):
    root = write(tmp_path, street(NEW, 'sidewalk'))
    assert len(CARLATagsDataset(dict(img_path='rgb'), data_root=root)) == 1


def test_the_numbering_is_told_when_files_are_listed(tmp_path):
    root = write(tmp_path, street(OLD))
    dataset = build(root, lazy_init=True)
    dataset.full_init()
    assert np.array_equal(dataset[0]['gt_seg_map'], street(TRAIN))


@pytest.mark.parametrize('tags', [NEW, OLD])
def test_the_check_of_data_finds_nothing_wrong(tmp_path, tags):
    report = examine_dataset(build(write(tmp_path, *[street(tags)] * 5)), True)
    assert not report.faults + report.doubts + report.incomplete
    assert 'classes: road, sidewalk, building, sky' in report.lines[0]


@pytest.mark.parametrize('tags', [NEW, OLD])
def test_train_ids_instead_of_tags_are_found(tmp_path, tags):
    """They may look like one of the numberings to the first look."""
    ids = street(TRAIN)
    ids[20:, :4] = 8
    table = 'carla' if tags is NEW else 'carla_0.9.13'
    root = write(tmp_path, *[ids] * 5, channels=1)
    dataset = build(root, label_table=table)
    (doubt,) = examine_dataset(dataset, True).doubts
    assert "the ids of the labels fit label_table='train_ids'" in doubt


def test_tags_that_the_table_lacks_are_named(tmp_path):
    root = write(tmp_path, *[street(OLD)] * 2)
    make_label(tmp_path / 'semantic/b.png', with_tag(street(OLD), 24))
    dataset = build(root, label_table='carla_0.9.13')
    with pytest.raises(DataError, match=r'b.png.* has ids \[24\]'):
        dataset[1]


def test_no_evidence_at_all():
    with pytest.raises(DataError, match="'x.png' and 0 more labels"):
        require_one({}, ['x.png'])
