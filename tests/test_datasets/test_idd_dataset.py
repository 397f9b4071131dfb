import numpy as np
import pytest
from torch.utils.data import DataLoader
from toy_images import keys_of, make_image, make_label
from toy_polygons import polygon_file

from mmuda.datasets import describe_domains, scan_dataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError

# Sky, road over it at the left, and a billboard in a corner of the road.
OBJECTS = (
    ('sky', [(0, 0), (5, 0), (5, 3), (0, 3)], {}),
    ('road', [(0, 0), (2, 0), (2, 3), (0, 3)], {}),
    ('billboard', [(0, 0), (1, 0), (1, 0.5), (0, 0.5)], {}),
    ('car', [], {}),
)
IDS = [[23, 23, 0, 33, 33, 33], *[[0, 0, 0, 33, 33, 33]] * 3]
NINETEEN = [[255, 255, 0, 10, 10, 10], *[[0, 0, 0, 10, 10, 10]] * 3]
SEVEN = [[2, 2, 0, 4, 4, 4], *[[0, 0, 0, 4, 4, 4]] * 3]
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
RESIZE = dict(type='Resize', scale=(12, 8))
# The same frame number in two drives, as in the real data.
KEYS = ('1/000010', '2/000010')


def make_idd(root, objects=OBJECTS, keys=KEYS, image='.png', size=(4, 6)):
    """Write the official layout of a split."""
    for seed, key in enumerate(keys):
        name = f'leftImg8bit/train/{key}_leftImg8bit{image}'
        make_image(root / name, seed, size)
        label = root / f'gtFine/train/{key}_gtFine_polygons.json'
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_bytes(polygon_file(*objects))
    return root


def idd(root, labels='gtFine/train', **options):
    prefix = dict(img_path='leftImg8bit/train', seg_map_path=labels)
    config = dict(type='IDDDataset', data_root=str(root), pipeline=LOAD)
    return DATASETS.build({**config, 'data_prefix': prefix, **options})


@pytest.mark.parametrize(
    ('label_set', 'expected'),
    [
        ('cityscapes19', NINETEEN),
        ('seven_class', SEVEN),
        (
            'seven_class_consistent',
            [[255, 255, 0, 4, 4, 4], *SEVEN[1:]],
        ),
    ],
)
def test_polygons_become_train_ids(tmp_path, label_set, expected):
    dataset = idd(make_idd(tmp_path), label_set=label_set)
    labels = dataset[0]['gt_seg_map']
    assert labels.tolist() == expected
    assert labels.dtype == np.uint8


def test_frames_of_the_same_name_are_kept_apart(tmp_path):
    make_idd(tmp_path)
    make_idd(tmp_path, [('sky', OBJECTS[0][1], {})], keys=KEYS[1:])
    dataset = idd(tmp_path)
    assert keys_of(dataset) == list(KEYS)
    # Twice, so that the second time they come from the cache.
    for _ in range(2):
        assert dataset[0]['gt_seg_map'].tolist() == NINETEEN
        assert dataset[1]['gt_seg_map'].tolist() == [[10] * 6] * 4


def test_jpeg_images(tmp_path):
    make_idd(tmp_path, image='.jpg')
    dataset = idd(tmp_path, img_suffix='_leftImg8bit.jpg')
    assert keys_of(dataset) == list(KEYS)
    assert dataset[0]['img'].shape == (4, 6, 3)


@pytest.mark.parametrize('table', ['idd', 'train_ids'])
def test_rasterised_labels(tmp_path, table):
    make_idd(tmp_path)
    ids, suffix = np.array(IDS, np.uint8), 'labelids'
    if table == 'train_ids':
        ids, suffix = np.array(NINETEEN, np.uint8), 'labelcsTrainIds'
    for key in KEYS:
        name = f'gtFine/train/{key}_gtFine_{suffix}.png'
        make_label(tmp_path / name, ids)
    suffix = f'_gtFine_{suffix}.png'
    dataset = idd(tmp_path, seg_map_suffix=suffix, label_table=table)
    assert dataset[1]['gt_seg_map'].tolist() == NINETEEN
    assert not (tmp_path / 'label_cache').exists()


def test_drawings_can_be_used_as_rasterised_labels(tmp_path):
    dataset = idd(make_idd(tmp_path))
    assert len([dataset[i] for i in range(2)]) == 2
    dataset = idd(
        tmp_path,
        labels='label_cache/gtFine/train',
        seg_map_suffix='_gtFine_labelids.png',
    )
    assert dataset[1]['gt_seg_map'].tolist() == NINETEEN


@pytest.mark.parametrize('suffix', ['level3Ids', 'csIds', 'csTrainIds'])
def test_labels_of_another_id_type_are_refused(tmp_path, suffix):
    suffix = f'_gtFine_label{suffix}.png'
    with pytest.raises(ConfigError, match=rf'{suffix}.*--id-type id '):
        idd(tmp_path, seg_map_suffix=suffix)


def test_polygons_with_a_named_table_of_others(tmp_path):
    with pytest.raises(ConfigError, match=r"'train_ids'.*polygons.*'idd'"):
        idd(tmp_path, label_table='train_ids')


def test_polygons_with_a_table_of_ones_own(tmp_path):
    table = {0: 3, 23: 1, 'others': 255}
    dataset = idd(make_idd(tmp_path), label_table=table)
    expected = [[1, 1, 3, 255, 255, 255], *[[3, 3, 3, 255, 255, 255]] * 3]
    assert dataset[0]['gt_seg_map'].tolist() == expected


def test_unlabelled_images_need_no_labels(tmp_path):
    dataset = idd(make_idd(tmp_path), labels=None, pipeline=LOAD[:1])
    assert dataset[0]['img'].shape == (4, 6, 3)
    assert dataset[0]['label_reader'] is None


# The contract of LoadLabels


def test_before_resizing_labels_follow_the_image(tmp_path):
    dataset = idd(make_idd(tmp_path), pipeline=[*LOAD, RESIZE])
    labels = dataset[0]['gt_seg_map']
    assert labels.tolist() == np.kron(NINETEEN, [[1, 1]] * 2).tolist()


def test_after_resizing_labels_keep_their_size(tmp_path):
    dataset = idd(make_idd(tmp_path), pipeline=[LOAD[0], RESIZE, LOAD[1]])
    sample = dataset[0]
    assert sample['img'].shape == (8, 12, 3)
    assert sample['gt_seg_map'].tolist() == NINETEEN
    assert sample['seg_fields'] == ['gt_seg_map']


def test_cropped_images_have_cropped_labels(tmp_path):
    crop = dict(type='CropFraction', top=0.25, bottom=0.0)
    dataset = idd(make_idd(tmp_path), pipeline=[LOAD[0], crop, LOAD[1]])
    assert dataset[0]['gt_seg_map'].tolist() == NINETEEN[1:]


def test_an_image_of_another_size(tmp_path):
    dataset = idd(make_idd(tmp_path, size=(8, 12)))
    with pytest.raises(DataError, match=r'polygons\.json. is 6x4 .* 12x8 '):
        dataset[0]


def test_an_image_of_another_size_on_request(tmp_path):
    load = dict(type='LoadLabels', resize_mismatch=True)
    make_idd(tmp_path, size=(8, 12))
    labels = idd(tmp_path, pipeline=[LOAD[0], load])[0]['gt_seg_map']
    assert labels.tolist() == np.kron(NINETEEN, [[1, 1]] * 2).tolist()


# The cache


@pytest.mark.parametrize('cache', ['label_cache', 'drawings'])
def test_drawings_are_below_the_data_root(tmp_path, cache):
    idd(make_idd(tmp_path), label_cache=cache)[0]
    kept = 'gtFine/train/1/000010_gtFine_labelids.png'
    assert (tmp_path / cache / kept).is_file()


def test_absolute_folders(tmp_path):
    make_idd(tmp_path / 'a')
    labels = str(tmp_path / 'a/gtFine/train')
    cache = str(tmp_path / 'cache')
    prefix = dict(img_path=f'{tmp_path}/a/leftImg8bit/train')
    prefix['seg_map_path'] = labels
    dataset = idd(tmp_path / 'a', data_prefix=prefix, label_cache=cache)
    assert dataset[0]['gt_seg_map'].tolist() == NINETEEN
    kept = 'cache/gtFine/train/1/000010_gtFine_labelids.png'
    assert (tmp_path / kept).is_file()


def test_labels_outside_the_data_root_have_a_folder_of_their_own(tmp_path):
    make_idd(tmp_path / 'a')
    make_idd(tmp_path / 'b')
    labels = tmp_path / 'a/gtFine/train'
    idd(tmp_path / 'b', labels=str(labels))[0]
    kept = f'b/label_cache/{labels}/1/000010_gtFine_labelids.png'
    assert (tmp_path / kept).is_file()


def test_no_cache(tmp_path):
    dataset = idd(make_idd(tmp_path), label_cache=None)
    assert dataset[0]['gt_seg_map'].tolist() == NINETEEN
    assert not (tmp_path / 'label_cache').exists()


def test_loader_processes_share_the_cache(tmp_path):
    keys = [f'{drive}/000010' for drive in range(6)]
    dataset = idd(make_idd(tmp_path, keys=keys))
    for _ in range(2):
        loader = DataLoader(
            dataset, batch_size=None, num_workers=2, collate_fn=label_of
        )
        assert list(loader) == [NINETEEN] * 6


def label_of(sample):
    return sample['gt_seg_map'].tolist()


# Faults


def test_a_missing_label_is_named(tmp_path):
    make_idd(tmp_path)
    (tmp_path / f'gtFine/train/{KEYS[1]}_gtFine_polygons.json').unlink()
    with pytest.raises(DataError, match=r'1 file.*2/000010_gtFine_polygons'):
        idd(tmp_path)


def test_every_faulty_file_is_found(tmp_path):
    make_idd(tmp_path, keys=['1/a'])
    make_idd(tmp_path, [('cow', OBJECTS[0][1], {})], keys=['1/b'])
    faults = scan_dataset(idd(tmp_path), workers=2, progress=False)
    assert len(faults) == 1
    assert "1/b_gtFine_polygons.json' has a polygon of the" in faults[0]
    assert "label 'cow'" in faults[0]


def test_data_check_reads_it(tmp_path):
    (line,) = describe_domains(idd(make_idd(tmp_path)))
    assert line.endswith('(6x4), 8% ignored, classes: road, sky')
