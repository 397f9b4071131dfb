"""Labels lie on images that a camera has marked as turned (EXIF)."""

import copy
import logging

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image
from toy_turned import (
    CAR,
    TURNS,
    as_displayed,
    car_overlap,
    make_turned,
    stored_label,
    turned_folder,
    write_picture,
)

from mmuda.color.lab_uint8 import in_style, style_of
from mmuda.datasets import LoadImage, LoadLabels, describe_domains
from mmuda.datasets.data_checks import load_raw
from mmuda.datasets.images.image_io import read_header, read_image
from mmuda.translation.lab_jobs import translate_file
from mmuda.utils.errors import ConfigError, DataError

FORMATS = ['.jpg', '.png', '.webp', '.tif']
LOADERS = {
    'displayed': dict(type='LoadImage'),
    'stored': dict(type='LoadImage', color_type='color_ignore_orientation'),
}


@pytest.fixture
def warnings():
    lines = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def overlaps(dataset, **loader):
    """IoU of the car for each sample, by key."""
    found = {}
    for index in range(len(dataset)):
        sample = LoadImage(**loader)(dataset.get_data_info(index))
        sample = LoadLabels()(sample)
        assert sample['gt_seg_map'].shape == sample['img_shape']
        overlap = car_overlap(sample['img'], sample['gt_seg_map'])
        found[sample['key']] = round(float(overlap), 1)
    return found


@pytest.mark.parametrize('suffix', FORMATS)
@pytest.mark.parametrize('tag', TURNS)
def test_images_are_read_as_viewers_show_them(tmp_path, suffix, tag):
    write_picture(tmp_path / f'a{suffix}', stored_label(), tag)
    image = read_image(tmp_path / f'a{suffix}')
    assert car_overlap(image, as_displayed(stored_label(), tag)) > 0.95
    header = read_header(tmp_path / f'a{suffix}')
    assert header.orientation == tag
    assert (header.width, header.height) == (64, 32)


@pytest.mark.parametrize('suffix', FORMATS)
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('tag', [2, 3, 6])
def test_pixels_as_stored(tmp_path, suffix, backend, tag):
    write_picture(tmp_path / f'a{suffix}', stored_label(), tag)
    load = LoadImage('color_ignore_orientation', backend)
    image = load({'img_path': str(tmp_path / f'a{suffix}')})['img']
    assert car_overlap(image, stored_label()) > 0.95


@pytest.mark.parametrize('flag', ['grayscale', 'unchanged'])
def test_other_flags_turn_too(tmp_path, flag):
    write_picture(tmp_path / 'a.png', stored_label(), 6)
    grey = read_image(tmp_path / 'a.png', flag)
    assert grey.shape[:2] == (64, 32)


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('flag', ['grayscale', 'unchanged'])
def test_other_flags_leave_pixels_as_stored(tmp_path, flag, backend):
    make_turned(tmp_path, [6], 'stored', suffix='.png')
    load = LoadImage(f'{flag}_ignore_orientation', backend)
    read = load(dict(img_path=str(tmp_path / 'images/6.png')))
    assert read['as_stored']
    assert read['img'].shape[:2] == (32, 64)


@pytest.mark.parametrize('drawn_on', ['stored', 'displayed'])
@pytest.mark.parametrize('loader', LOADERS)
def test_labels_follow(tmp_path, drawn_on, loader, warnings):
    """Of 6 and 8 sizes tell, and of the others those of 6 and 8."""
    dataset = turned_folder(make_turned(tmp_path, TURNS, drawn_on))
    options = dict(LOADERS[loader])
    options.pop('type')
    assert overlaps(dataset, **options) == {str(tag): 1.0 for tag in TURNS}
    assert warnings == []


@pytest.mark.parametrize('drawn_on', ['stored', 'displayed'])
@pytest.mark.parametrize('size', [(32, 64), (48, 48)])
def test_option_where_sizes_do_not_tell(tmp_path, drawn_on, size, warnings):
    tags = (2, 3, 4) if size == (32, 64) else TURNS
    make_turned(tmp_path, tags, drawn_on, size)
    dataset = turned_folder(tmp_path, label_orientation=drawn_on)
    assert overlaps(dataset) == {str(tag): 1.0 for tag in tags}
    assert warnings == []


def test_warning_where_sizes_do_not_tell(tmp_path, warnings):
    dataset = turned_folder(make_turned(tmp_path, (1, 3), 'displayed'))
    assert overlaps(dataset) == {'1': 1.0, '3': 1.0}
    (line,) = warnings
    assert 'sizes of its labels do not tell' in line
    assert "label_orientation='stored'" in line


def test_labels_of_both_kinds(tmp_path, warnings):
    make_turned(tmp_path, (3, 6), 'displayed')
    make_turned(tmp_path, (8,), 'stored')
    assert overlaps(turned_folder(tmp_path)) == {
        '3': 1.0,
        '6': 1.0,
        '8': 1.0,
    }
    assert 'some of its labels were drawn on the stored pixels' in warnings[0]


def test_unknown_option(tmp_path):
    make_turned(tmp_path, (1,), 'stored')
    with pytest.raises(ConfigError, match="label_orientation='exif'"):
        turned_folder(tmp_path, label_orientation='exif')


def test_smaller_labels_are_turned_before_they_are_resized(tmp_path):
    make_turned(tmp_path, (6,), 'stored')
    small = stored_label()[::2, ::2]
    Image.fromarray(small).save(tmp_path / 'labels/6.png')
    info = turned_folder(tmp_path).get_data_info(0)
    sample = LoadLabels(resize_mismatch=True)(LoadImage()(info))
    assert sample['gt_seg_map'].shape == (64, 32)
    assert car_overlap(sample['img'], sample['gt_seg_map']) > 0.8


@pytest.mark.parametrize('resize', [True, False])
def test_turned_without_a_mark(tmp_path, resize):
    """Resizing such a label would put it anywhere."""
    make_turned(tmp_path, (1,), 'stored')
    label = np.rot90(stored_label()).copy()
    Image.fromarray(label).save(tmp_path / 'labels/1.png')
    info = turned_folder(tmp_path).get_data_info(0)
    with pytest.raises(DataError, match='turned by a quarter') as error:
        LoadLabels(resize_mismatch=resize)(LoadImage()(info))
    assert 'resize_mismatch' not in str(error.value)


@pytest.mark.parametrize('loader', LOADERS)
def test_checks_read_as_the_pipeline_does(tmp_path, loader):
    make_turned(tmp_path, (6,), 'stored')
    pipeline = [LOADERS[loader], dict(type='LoadLabels')]
    dataset = turned_folder(tmp_path, pipeline=pipeline)
    shape = (32, 64) if loader == 'stored' else (64, 32)
    assert load_raw(dataset, 0)['img_shape'] == shape
    assert f'({shape[1]}x{shape[0]})' in describe_domains(dataset)[0]


def test_samples_are_copied_without_their_data_set(tmp_path):
    info = turned_folder(make_turned(tmp_path, (1,), 'stored'))
    frame = info.get_data_info(0)['label_frame']
    assert copy.deepcopy(frame) is frame


def test_broken_marks_are_ignored(tmp_path):
    write_picture(tmp_path / 'a.jpg', stored_label(), 6)
    data = bytearray((tmp_path / 'a.jpg').read_bytes())
    place = data.index(b'\x01\x12', data.index(b'Exif'))
    data[place + 8 : place + 10] = b'\x00\x63'
    (tmp_path / 'a.jpg').write_bytes(bytes(data))
    assert car_overlap(read_image(tmp_path / 'a.jpg'), stored_label()) > 0.95


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
@pytest.mark.parametrize('tag', [1, 3, 6])
def test_translated_images_keep_the_mark(tmp_path, suffix, tag):
    source, out = tmp_path / f'a{suffix}', tmp_path / f'out/b{suffix}'
    write_picture(source, stored_label(), tag)
    style = style_of(read_image(source))
    translate_file(source, out, tmp_path, style)
    assert read_header(out)[:3] == (64, 32, tag)
    expected = in_style(read_image(source), style).astype(int)
    found = read_image(out).astype(int)
    assert np.abs(found - expected).mean() < 3
    assert CAR in stored_label()


def test_mask_of_the_ego_vehicle_is_turned(tmp_path):
    write_picture(tmp_path / 'a.png', stored_label(), 8)
    grey = read_image(tmp_path / 'a.png', 'grayscale')
    picture = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(grey, picture)
