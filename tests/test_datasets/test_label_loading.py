import cv2
import numpy as np
import pytest
from PIL import Image
from toy_images import (
    cut_in_half,
    folder_config,
    make_folder,
    make_image,
    make_label,
)

from mmuda.datasets import LoadLabels
from mmuda.datasets.images.image_io import decode_ids, map_ids
from mmuda.datasets.labels.label_maps import label_table, lookup_table
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError

GTA5_LUT = lookup_table(label_table('gta5', 'cityscapes19'), 19)


def label_sample(path, shape, lut=GTA5_LUT, **options):
    return {
        'img_path': 'image.png',
        'seg_map_path': str(path),
        'ori_shape': shape,
        'label_lut': lut,
        'seg_fields': [],
        **options,
    }


def all_gta5_ids():
    return np.arange(35, dtype=np.uint8).reshape(5, 7)


@pytest.mark.parametrize('palette', [False, True])
def test_8_bit_label(tmp_path, palette):
    ids = make_label(tmp_path / 'a.png', all_gta5_ids(), palette)
    results = LoadLabels()(label_sample(tmp_path / 'a.png', ids.shape))
    table = label_table('gta5', 'cityscapes19')
    expected = [table[i] for i in range(35)]
    assert results['gt_seg_map'].ravel().tolist() == expected
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['seg_fields'] == ['gt_seg_map']


def synthia_label(path):
    """Write classes to red, instances above 255 to green, as published."""
    classes = np.arange(23, dtype=np.uint16)[None]
    instances = np.arange(1000, 1023, dtype=np.uint16)[None]
    bgr = np.stack([np.zeros_like(classes), instances, classes], axis=-1)
    cv2.imwrite(str(path), bgr)
    return classes, instances


def test_16_bit_synthia_label_is_intact(tmp_path):
    path = tmp_path / 'a.png'
    classes, instances = synthia_label(path)
    data = path.read_bytes()
    assert np.array_equal(decode_ids(data, 'a', channel=0), classes)
    assert np.array_equal(decode_ids(data, 'a', channel=1), instances)


def test_16_bit_synthia_label_is_mapped(tmp_path):
    path = tmp_path / 'a.png'
    synthia_label(path)
    table = label_table('synthia', 'synthia16')
    lut = lookup_table(table, 16)
    sample = label_sample(path, (1, 23), lut, label_channel=0)
    mapped = LoadLabels()(sample)['gt_seg_map']
    assert mapped[0].tolist() == [table[i] for i in range(23)]
    assert mapped.dtype == np.uint8


def test_single_channel_label_needs_no_channel(tmp_path):
    ids = make_label(tmp_path / 'a.png', all_gta5_ids())
    sample = label_sample(tmp_path / 'a.png', ids.shape, label_channel=0)
    assert LoadLabels()(sample)['gt_seg_map'].shape == (5, 7)


def test_16_bit_grey_label(tmp_path):
    ids = np.array([[7, 300]], dtype=np.uint16)
    make_label(tmp_path / 'a.png', ids)
    lut = lookup_table({7: 0, 300: 1}, 2)
    sample = label_sample(tmp_path / 'a.png', (1, 2), lut)
    assert LoadLabels()(sample)['gt_seg_map'].tolist() == [[0, 1]]


def test_colour_label(tmp_path):
    make_image(tmp_path / 'a_color.png')
    with pytest.raises(DataError, match=r'a_color\.png.* has 3 channels'):
        LoadLabels()(label_sample(tmp_path / 'a_color.png', (8, 12)))


@pytest.mark.parametrize('value', [35, 254, 255])
def test_unknown_id(tmp_path, value):
    ids = np.full((2, 2), 7, dtype=np.uint8)
    ids[1, 1] = value
    make_label(tmp_path / 'a.png', ids)
    with pytest.raises(
        DataError, match=rf'a\.png.*ids \[{value}\].*known are 0-34\)'
    ):
        LoadLabels()(label_sample(tmp_path / 'a.png', (2, 2)))


def test_unknown_16_bit_id():
    ids = np.array([[7, 1000]], dtype=np.uint16)
    with pytest.raises(DataError, match=r'a\.png.*ids \[1000\]'):
        map_ids(ids, GTA5_LUT, 'a.png')


def test_label_of_another_size(tmp_path):
    ids = make_label(tmp_path / 'a.png', all_gta5_ids())
    with pytest.raises(
        DataError, match=r'a\.png.* is 7x5 .*image\.png.* is 9x5 '
    ):
        LoadLabels()(label_sample(tmp_path / 'a.png', (5, 9)))
    assert ids.shape == (5, 7)


def test_label_of_another_size_is_resized_on_request(tmp_path):
    ids = np.array([[7, 8]], dtype=np.uint8)
    make_label(tmp_path / 'a.png', ids)
    sample = label_sample(tmp_path / 'a.png', (2, 4))
    labels = LoadLabels(resize_mismatch=True)(sample)['gt_seg_map']
    assert labels.tolist() == [[0, 0, 1, 1]] * 2


def test_size_is_compared_with_the_file_not_the_resized_image(tmp_path):
    ids = make_label(tmp_path / 'a.png', all_gta5_ids())
    sample = label_sample(tmp_path / 'a.png', ids.shape, img_shape=(2, 3))
    assert LoadLabels()(sample)['gt_seg_map'].shape == ids.shape


@pytest.mark.parametrize('bits', [8, 16])
def test_truncated_label(tmp_path, bits):
    path = tmp_path / 'a.png'
    rng = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    ids = rng.integers(0, 35, (64, 64, 3), dtype=dtype)
    cv2.imwrite(str(path), ids if bits == 16 else ids[..., 0])
    cut_in_half(path)
    sample = label_sample(path, (64, 64), label_channel=0)
    with pytest.raises(DataError, match=r'cannot read .*a\.png'):
        LoadLabels()(sample)


@pytest.mark.parametrize('bits', [8, 16])
def test_corrupt_label(tmp_path, bits):
    path = tmp_path / 'a.png'
    rng = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    ids = rng.integers(0, 35, (64, 64, 3), dtype=dtype)
    cv2.imwrite(str(path), ids if bits == 16 else ids[..., 0])
    data = bytearray(path.read_bytes())
    data[60:700] = bytes(640)
    path.write_bytes(bytes(data))
    sample = label_sample(path, (64, 64), label_channel=0)
    with pytest.raises(DataError, match=r'a\.png.*damaged'):
        LoadLabels()(sample)


def test_missing_label(tmp_path):
    with pytest.raises(DataError, match=r'a\.png.*No such file'):
        LoadLabels()(label_sample(tmp_path / 'a.png', (5, 7)))


@pytest.mark.parametrize(
    ('key', 'remedy'),
    [
        ('ori_shape', 'put LoadImage before'),
        ('label_lut', 'LoadAnnotations'),
        ('seg_map_path', r'data_prefix\.seg_map_path'),
    ],
)
def test_label_loading_says_what_it_misses(key, remedy):
    sample = label_sample('a.png', (1, 1))
    del sample[key]
    with pytest.raises(ConfigError, match=rf"'{key}'.*{remedy}"):
        LoadLabels()(sample)


def test_data_set_and_transforms_fit(tmp_path):
    make_folder(tmp_path, ['a'], ids=13)
    pipeline = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}]
    dataset = DATASETS.build(
        folder_config(tmp_path, label_table='train_ids', pipeline=pipeline)
    )
    assert np.unique(dataset[0]['gt_seg_map']).tolist() == [9]


def test_palette_file_really_has_another_colour_than_index(tmp_path):
    make_label(tmp_path / 'a.png', all_gta5_ids(), palette=True)
    image = Image.open(tmp_path / 'a.png')
    assert image.mode == 'P'
    assert np.asarray(image.convert('L'))[0, 0] == 255
