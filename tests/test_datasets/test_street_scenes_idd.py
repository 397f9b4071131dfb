import json
import os
from multiprocessing import get_context
from pathlib import PurePosixPath

import numpy as np
import pytest
from toy_images import keys_of

from mmuda.datasets import IDDDataset
from mmuda.datasets.labels.idd_labels import IDD_LABELS
from mmuda.datasets.labels.label_maps import label_table
from mmuda.datasets.sets.idd import draw_polygons, parse_polygons
from street_scenes import (
    render_label_ids,
    write_idd,
    write_scenes,
)
from street_scenes.contours import (
    IDD_LABELS_OF,
    encode_idd_polygons,
    trace_regions,
)
from street_scenes.layouts import IDDLayout
from street_scenes.street_labels import LABEL_IDS, LABELS, to_train_ids

SIZE = (128, 72)
SMALL = {'size': SIZE, 'progress': False}
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
# Where IDD differs from the seven classes of Cityscapes.
OTHER_SEVEN = {
    'terrain': 255,
    'autorickshaw': 6,
    'billboard': 2,
}
VAL = 10_000_000  # number of the first scene of the second split


def idd(root, split='val', **options):
    images, labels = f'leftImg8bit/{split}', f'gtFine/{split}'
    return IDDDataset(
        data_root=str(root),
        data_prefix=dict(img_path=images, seg_map_path=labels),
        pipeline=LOAD,
        **options,
    )


def rendered(key, drives=IDDLayout.drives['val'], first=VAL):
    """Image and label ids of a key of the written data set."""
    drive, frame = key.split('/')
    number = int(frame) // 15 * len(drives) + drives.index(drive)
    return render_label_ids('idd', 0, first + number, SIZE)


def seven(label_ids):
    table = np.full(256, 255)
    for label_id, train_id in label_table('cityscapes', 'seven_class').items():
        table[label_id] = train_id
    for name, train_id in OTHER_SEVEN.items():
        table[LABEL_IDS[name]] = train_id
    return table[label_ids]


def idd_ids(label_ids):
    table = np.zeros(256, np.uint8)
    for label_id, name in IDD_LABELS_OF.items():
        table[label_id] = IDD_LABELS.index(name)
    return table[label_ids]


def drawn(label_ids):
    data = encode_idd_polygons(None, label_ids)
    return draw_polygons(parse_polygons(data, 'test'))


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('street') / 'IDD'
    write_idd(root, {'train': 8, 'val': 6}, True, **SMALL)
    return root


# The polygons


@pytest.mark.parametrize(
    ('rows', 'name'),
    [
        (['.....', '.###.', '.#.#.', '.###.', '.....'], 'hole'),
        (['#####', '#...#', '#.#.#', '#...#', '#####'], 'ring in ring'),
        (['##...', '##...', '..##.', '..##.', '....#'], 'corners'),
        (['#####', '.....', '#.#.#', '#.#.#', '#.#.#'], 'lines'),
    ],
)
def test_regions_of_three_pixels_are_drawn_exactly(rows, name):
    cells = np.array([list(row) for row in rows]) == '#'
    ids = np.where(cells, LABEL_IDS['building'], LABEL_IDS['sky'])
    ids = ids.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    labels, skipped = drawn(ids)
    np.testing.assert_array_equal(labels, idd_ids(ids))
    assert skipped == 0


def test_line_of_a_pixel_is_kept():
    ids = np.full((9, 7), LABEL_IDS['sky'], np.uint8)
    ids[2:, 3] = LABEL_IDS['pole']
    np.testing.assert_array_equal(drawn(ids)[0], idd_ids(ids))


@pytest.mark.parametrize('seed', range(4))
def test_only_specks_are_lost_of_noise(seed):
    rng = np.random.default_rng(seed)
    ids = rng.choice([7, 11, 21], (20, 30)).astype(np.uint8)
    specks = np.zeros(ids.shape, bool)
    for region in trace_regions(ids):
        if len(region.outline) < 3:
            specks[tuple(region.outline[:, ::-1].T)] = True
    wrong = drawn(ids)[0] != idd_ids(ids)
    assert wrong[specks].any()
    assert not wrong[~specks].any()


def test_enclosed_speck_belongs_to_what_encloses_it():
    ids = np.full((5, 5), LABEL_IDS['road'], np.uint8)
    ids[2, 2] = LABEL_IDS['car']
    assert (drawn(ids)[0] == IDD_LABELS.index('road')).all()


def test_every_label_has_a_name_of_idd():
    assert sorted(IDD_LABELS_OF) == [label.label_id for label in LABELS]
    assert set(IDD_LABELS_OF.values()) <= set(IDD_LABELS)
    assert IDD_LABELS_OF[LABEL_IDS['terrain']] == 'non-drivable fallback'
    assert IDD_LABELS_OF[LABEL_IDS['autorickshaw']] == 'autorickshaw'


def test_file_has_the_fields_of_the_official_ones(root):
    path = root / 'gtFine/val/119/000000_gtFine_polygons.json'
    content = json.loads(path.read_bytes())
    assert (content['imgWidth'], content['imgHeight']) == SIZE
    assert {*content['objects'][0]} == {'label', 'polygon', 'deleted'}
    assert min(len(thing['polygon']) for thing in content['objects']) > 2


# The data set


@pytest.mark.parametrize(
    ('label_set', 'expected'),
    [('cityscapes19', to_train_ids), ('seven_class', seven)],
)
def test_label_maps_are_those_rendered(root, label_set, expected):
    dataset = idd(root, label_set=label_set)
    agree = []
    for sample in dataset:
        image, label_ids = rendered(dataset.get_data_info(len(agree))['key'])
        np.testing.assert_array_equal(sample['img'], image[..., ::-1])
        agree.append((sample['gt_seg_map'] == expected(label_ids)).mean())
    assert len(agree) == 6
    assert min(agree) >= 0.995


def test_train_split_is_labelled_and_shows_common_classes(root):
    labels = [sample['gt_seg_map'] for sample in idd(root, 'train')]
    found = {*np.unique(labels).tolist()}
    assert {0, 1, 2, 8, 9, 10, 11, 12, 13, 17} <= found


def test_base_names_repeat_over_drives(root):
    keys = keys_of(idd(root))
    assert keys == [
        f'{drive}/{frame}'
        for drive in ('119', '52')
        for frame in ('000000', '000015', '000030')
    ]
    assert len({PurePosixPath(key).name for key in keys}) == 3


def test_frames_of_the_same_name_show_other_scenes(root):
    images = (root / 'leftImg8bit/train').glob('*/000000_leftImg8bit.png')
    assert len({path.read_bytes() for path in images}) == 4


def test_train_labels_are_an_option(tmp_path):
    write_idd(tmp_path / 'IDD', {'train': 2, 'val': 1}, **SMALL)
    assert not (tmp_path / 'IDD/gtFine/train').exists()
    assert len(list(tmp_path.glob('IDD/leftImg8bit/train/*/*.png'))) == 2


def test_files_do_not_depend_on_workers(root, tmp_path):
    counts = {'train': 8, 'val': 6}
    write_idd(tmp_path / 'IDD', counts, True, workers=2, **SMALL)
    written = contents(tmp_path / 'IDD')
    # The fixture's, but for the drawings that reading it has left there.
    assert written.items() <= contents(root).items()
    assert len(written) == 2 * 14 + 1


class Killing(IDDLayout):
    """Ends its process without a trace before the fourth label is written."""

    def files(self, split, number):
        files = dict(super().files(split, number))
        if number == 3:
            files[max(files)] = lambda *_: os._exit(9)
        return files


def test_restart_after_a_kill_reuses_scenes(root, tmp_path):
    arguments = (tmp_path / 'IDD', Killing(True), {'train': 8, 'val': 6})
    context = get_context('fork')
    process = context.Process(
        target=write_scenes, args=arguments, kwargs=SMALL
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    report = write_idd(tmp_path / 'IDD', {'train': 8, 'val': 6}, True, **SMALL)
    assert (report.written, report.reused) == (11, 3)
    written = contents(tmp_path / 'IDD')
    assert written.items() <= contents(root).items()
