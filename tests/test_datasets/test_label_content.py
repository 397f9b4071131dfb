"""What labels hold is summed up and judged: numbers, classes, edges."""

import cv2
import numpy as np
import pytest
from mmseg.utils import get_palette
from PIL import Image
from toy_images import folder_config, make_folder, make_image, make_label

from mmuda.datasets import describe_domains, examine_dataset, scan_dataset
from mmuda.datasets.labels.label_content import (
    count_ids,
    edges_of,
    foreign_colours,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

IDS = [7, 11, 21, 23, 26, 24]  # road to person, as Cityscapes numbers them
TRAIN_IDS = [0, 2, 8, 10, 13, 11]


def street(ids, seed=0, size=(96, 160)):
    """A street of discs and strips: edges in all directions."""
    rng = np.random.default_rng(seed)
    road, building, tree, sky, car, person = ids
    label = np.full(size, sky, np.uint8)
    label[size[0] // 2 :] = road
    for value, count, most in (
        (building, 5, 14),
        (tree, 5, 12),
        (car, 5, 9),
        (person, 3, 4),
    ):
        for _ in range(count):
            x, y = rng.integers(0, size[1]), rng.integers(10, size[0])
            radius = int(rng.integers(2, most))
            cv2.circle(label, (int(x), int(y)), radius, int(value), -1)
    label[:, 40:42] = building
    return label


def write(root, labels):
    for key, label in labels.items():
        make_image(root / f'images/{key}.jpg', size=label.shape)
        make_label(root / f'labels/{key}.png', label)
    return root


def streets(root, ids, change=lambda label: label, count=4):
    labels = {str(i): change(street(ids, i)) for i in range(count)}
    return write(root, labels)


def build(root, kind='FolderDataset', **options):
    options = dict(label_set='cityscapes19') | options
    if kind != 'FolderDataset':
        options = dict(img_suffix='.jpg', seg_map_suffix='.png') | options
    return DATASETS.build(folder_config(root, type=kind, **options))


def two_classes(root, **options):
    return build(
        root,
        label_set=None,
        metainfo=dict(classes=('background', 'crack')),
        **options,
    )


# Counts


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int32])
def test_counts(dtype):
    ids = np.array([[3, 3, 200], [0, 255, 3]]).astype(dtype)
    assert count_ids(ids) == {0: 1, 3: 3, 200: 1, 255: 1}


def test_counts_of_large_labels_are_exact():
    ids = np.zeros((4097, 4097), np.uint8)
    ids[0, :3] = 9
    assert count_ids(ids) == {0: 4097**2 - 3, 9: 3}


def test_description_sums_all_that_were_read(tmp_path):
    labels = {k: np.full((4, 5), k, np.uint8) for k in (0, 1, 8)}
    labels[1][:2] = 255
    write(tmp_path, labels)
    (line,) = describe_domains(build(tmp_path, label_table=None))
    assert '3 images, 3 read, first ' in line
    assert line.endswith(
        '(5x4), 17% ignored, classes: road, sidewalk, vegetation'
    )


def test_few_of_many_are_read(tmp_path):
    write(tmp_path, {f'{i:03}': street(TRAIN_IDS, i) for i in range(40)})
    (tmp_path / 'images/021.jpg').write_bytes(b'')
    (tmp_path / 'images/039.jpg').write_bytes(b'')
    dataset = build(tmp_path)
    with pytest.raises(DataError, match=r'images/039\.jpg'):
        describe_domains(dataset)
    make_image(tmp_path / 'images/039.jpg', size=(96, 160))
    assert '40 images, 16 read' in describe_domains(dataset)[0]
    assert len(scan_dataset(dataset, progress=False)) == 1


# Two values


@pytest.mark.parametrize('every', [False, True])
def test_masks_of_0_and_255(tmp_path, every):
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:4] = 255
    write(tmp_path, {'a': mask, 'b': np.zeros_like(mask)})
    report = examine_dataset(two_classes(tmp_path), every)
    (doubt,) = report.doubts
    assert "0 and 255 only, and 255 is ignored, so that 'crack' never" in doubt
    assert 'label_table={0: 0, 255: 1}' in doubt
    dataset = two_classes(tmp_path, label_table={0: 0, 255: 1})
    report = examine_dataset(dataset, every)
    assert report.doubts == report.warnings == []
    assert report.lines[0].endswith('0% ignored, classes: background, crack')


def test_rare_class_among_labels_that_were_not_read(tmp_path):
    """Nothing is claimed of what may be elsewhere."""
    labels = {f'{i:02}': np.zeros((4, 6), np.uint8) for i in range(40)}
    for label in labels.values():
        label[0] = 255
    write(tmp_path, labels)
    assert 'never occurs' in examine_dataset(two_classes(tmp_path)).doubts[0]
    labels['21'][2] = 1
    write(tmp_path, {'21': labels['21']})
    assert examine_dataset(two_classes(tmp_path)).doubts == []


# Classes


def test_absent_classes_are_named_when_all_is_read(tmp_path):
    streets(tmp_path, TRAIN_IDS, count=17)
    assert examine_dataset(build(tmp_path)).warnings == []
    (warning,) = examine_dataset(build(tmp_path), every=True).warnings
    assert warning.startswith(
        'FolderDataset: no label has the classes sidewalk, wall, fence'
    )
    assert 'road' not in warning


def test_labels_without_a_class(tmp_path):
    write(tmp_path, {k: np.full((4, 5), 255, np.uint8) for k in 'abc'})
    report = examine_dataset(build(tmp_path))
    (doubt,) = report.doubts
    assert 'no pixel of 3 of 3 labels is of a class: their ids 255' in doubt


def test_some_labels_without_a_class(tmp_path):
    labels = {'a': street(TRAIN_IDS), 'b': np.full((4, 5), 255, np.uint8)}
    report = examine_dataset(build(write(tmp_path, labels)))
    assert report.doubts == []
    assert '1 of 2 labels have ignored pixels only' in report.warnings[0]
    assert 'labels/b.png' in report.warnings[0]


def test_one_class_nearly_everywhere(tmp_path):
    label = np.zeros((40, 50), np.uint8)
    label[0, 0] = 1
    report = examine_dataset(two_classes(write(tmp_path, {'a': label})))
    (warning,) = report.warnings
    assert "100.0% of the labelled pixels are of class 'back" in warning


# Numbering


@pytest.mark.parametrize('every', [False, True])
@pytest.mark.parametrize('kind', ['CityscapesLabelIdsDataset', 'GTA5Dataset'])
def test_train_ids_in_files_of_other_names(tmp_path, kind, every):
    report = examine_dataset(build(streets(tmp_path, TRAIN_IDS), kind), every)
    (doubt,) = report.doubts
    assert "fit label_table='train_ids', not" in doubt
    assert 'id 10 is sky there, and no class here' in doubt
    table = dict(label_table='train_ids')
    sound = examine_dataset(build(tmp_path, kind, **table), every)
    assert sound.doubts == sound.faults == []


def test_label_ids_read_as_train_ids(tmp_path):
    dataset = build(streets(tmp_path, IDS), label_table='train_ids')
    with pytest.raises(DataError, match="'cityscapes', not .* more"):
        describe_domains(dataset)


@pytest.mark.parametrize('ignored', [False, True])
@pytest.mark.parametrize(
    ('kind', 'labels'),
    [('SYNTHIADataset', TRAIN_IDS), ('BDD100KDataset', IDS)],
)
def test_other_sets(tmp_path, kind, labels, ignored):
    def change(label):
        if ignored:
            label[:9] = 255
        return label

    report = examine_dataset(build(streets(tmp_path, labels, change), kind))
    assert 'fit label_table=' in report.doubts[0]


# Edges


def resized(how, size):
    return lambda label: cv2.resize(label, size, interpolation=how)


def as_jpeg(quality):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return lambda label: cv2.imdecode(
        cv2.imencode('.jpg', label, options)[1], cv2.IMREAD_UNCHANGED
    )


# ids far from each other, as of Mapillary, and all valid in between
TABLE = dict(label_table={i: i % 19 for i in range(256)})
ROUGH = {
    'half': resized(cv2.INTER_AREA, (80, 48)),
    'two thirds': resized(cv2.INTER_LINEAR, (107, 64)),
    'twice': resized(cv2.INTER_LINEAR, (320, 192)),
    'cubic': resized(cv2.INTER_CUBIC, (107, 64)),
    'jpeg 60': as_jpeg(60),
    'jpeg 95': as_jpeg(95),
    'jpeg 100': as_jpeg(100),
    'smoothed': lambda label: cv2.GaussianBlur(label, (3, 3), 0),
}
SOUND = {
    'as drawn': lambda label: label,
    'half': resized(cv2.INTER_NEAREST, (80, 48)),
    'two thirds': resized(cv2.INTER_NEAREST, (107, 64)),
    'twice': resized(cv2.INTER_NEAREST, (320, 192)),
}


@pytest.mark.parametrize('name', ROUGH)
def test_labels_with_ids_in_between(tmp_path, name):
    report = examine_dataset(
        build(streets(tmp_path, IDS, ROUGH[name]), **TABLE)
    )
    (doubt,) = report.doubts
    assert 'resized with interpolation, smoothed or saved as JPEG' in doubt
    assert 'labels/0.png' in doubt


@pytest.mark.parametrize('name', SOUND)
def test_sound_edges(tmp_path, name):
    report = examine_dataset(
        build(streets(tmp_path, IDS, SOUND[name]), **TABLE)
    )
    assert report.doubts == []


@pytest.mark.parametrize('ignored', [255, -1])
@pytest.mark.parametrize('kept', [0.02, 0.3, 0.7])
def test_ignored_pixels_make_no_edges_rough(tmp_path, kept, ignored):
    """Labels of single points, and what a threshold left of predictions."""
    rng = np.random.default_rng(0)

    kind = np.int32 if ignored < 0 else np.uint8
    for i in range(4):
        label = street(TRAIN_IDS, i).astype(kind)
        label[rng.random(label.shape) >= kept] = ignored
        make_image(tmp_path / f'images/{i}.jpg', size=label.shape)
        make_label(tmp_path / f'labels/{i}.tif', label)
    dataset = build(tmp_path, seg_map_suffix='.tif')
    assert examine_dataset(dataset).doubts == []


@pytest.mark.parametrize('name', ROUGH)
def test_rough_labels_with_an_ignored_border(tmp_path, name):
    def change(label):
        rough = ROUGH[name](label)
        rough[:20] = 255
        return rough

    table = {**TABLE['label_table'], 255: 255}
    streets(tmp_path, IDS, change)
    report = examine_dataset(build(tmp_path, label_table=table))
    assert 'resized with interpolation' in report.doubts[0]


def test_one_rough_label_among_sound_ones(tmp_path):
    streets(tmp_path, IDS)
    write(tmp_path, {'2': ROUGH['twice'](street(IDS, 2))})
    report = examine_dataset(build(tmp_path, **TABLE))
    assert report.doubts == []
    assert '1 of 4 labels have edges as after' in report.warnings[0]
    assert 'labels/2.png' in report.warnings[0]


def test_jpeg_labels_are_refused_by_their_format(tmp_path):
    make_folder(tmp_path, ['a'])
    (tmp_path / 'labels/a.png').unlink()
    label = Image.fromarray(street(TRAIN_IDS))
    label.save(tmp_path / 'labels/a.png', format='JPEG')
    with pytest.raises(DataError, match=r'a\.png. is a JPEG file'):
        describe_domains(build(tmp_path))


def test_edges_by_hand():
    ids = np.zeros((40, 40), np.uint8)
    ids[:, 20:] = 8
    assert edges_of(ids) is None  # 38 pixels at edges
    ids = np.tile(np.array([0, 4, 8, 8], np.uint8), (40, 10))
    edges = edges_of(ids)
    # columns of 38 rows: 4 lies between 0 and 8 and never stands alone
    assert (edges.between, edges.alone) == (10 / 28, 0)
    ids = np.indices((40, 40)).sum(0) % 2
    assert edges_of(ids.astype(np.uint8)) == (0, 1)


# Colours


def save_with_palette(root, order):
    """Save streets as palette images whose colours have another order."""
    palette = DATASETS.build(
        folder_config(make_folder(root / 'any', ['a']))
    ).metainfo['palette']
    for i in range(3):
        label = street([0, 2, 6, 7, 9, 8], i)
        table = np.argsort(order).astype(np.uint8)
        image = Image.fromarray(table[label])
        image.putpalette(sum((palette[k] for k in order), []))
        make_image(root / f'images/{i}.jpg', size=label.shape)
        path = root / f'labels/{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return root


def test_colours_that_were_numbered_anew(tmp_path):
    order = [7, 0, 2, 6, 9, 8, 1, 3, 4, 5]  # sky first, then road
    root = save_with_palette(tmp_path, order)
    report = examine_dataset(build(root, label_set='carla_camvid10'))
    (doubt,) = report.doubts
    assert 'has the colours of other classes than the ids' in doubt
    assert 'id 0 has the colour of class 7, and is read as 0' in doubt
    assert '0 road, 1 sidewalk' in doubt


def test_colours_at_their_ids(tmp_path):
    root = save_with_palette(tmp_path, list(range(10)))
    report = examine_dataset(build(root, label_set='carla_camvid10'))
    assert report.doubts == []


def test_other_palettes_say_nothing():
    lut = np.arange(256, dtype=np.uint8)
    palette = [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    strange = np.array([[9, 9, 9], [8, 8, 8], [0, 0, 0]])
    assert foreign_colours(strange, [0, 1, 2], lut, palette) is None
    swapped = np.array([[0, 255, 0], [0, 0, 0], [255, 0, 0]])
    assert foreign_colours(swapped, [0, 1, 2], lut, palette) == (
        'id 0 has the colour of class 2, and is read as 0'
    )
    # twice the same colour is no name
    alike = [[0, 0, 0], [0, 0, 0], [0, 255, 0]]
    assert foreign_colours(swapped, [0, 1], lut, alike) is None

    voc = np.array(get_palette('voc'))
    # grey is the sky's colour and stands at 7, olive the fifth's and at 3
    camvid = [[128] * 3, [128, 0, 0], [192, 192, 128], [128, 64, 128]]
    camvid += [[60, 40, 222], [128, 128, 0]]
    assert foreign_colours(voc, range(8), lut, camvid) is None
    assert foreign_colours(voc[::-1], range(21), lut, camvid) is not None


# Pairs


def test_labels_without_images(tmp_path):
    make_folder(tmp_path, '123456')
    for name in '456':
        (tmp_path / f'images/{name}.jpg').unlink()
    report = examine_dataset(build(tmp_path), every=True)
    (line,) = report.incomplete
    assert '3 label(s) have no image, the first is' in line
    assert "/labels/4.png'" in line
    assert 'beside 3 that have one' in line
    assert scan_dataset(build(tmp_path), progress=False) == [line]


def test_images_without_labels(tmp_path):
    make_folder(tmp_path, '123456')
    for name in '456':
        (tmp_path / f'labels/{name}.png').unlink()
    with pytest.raises(DataError, match=r'3 file.* missing.*labels/4\.png'):
        build(tmp_path)
