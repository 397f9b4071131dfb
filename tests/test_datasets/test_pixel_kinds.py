"""Channels, bits and fractions of image files, read as they are."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mmuda.datasets import LoadImage
from mmuda.datasets.images.image_header import image_header, pixel_kind
from mmuda.utils.drawing import displayable
from mmuda.utils.errors import DataError

SHAPES = {1: (6, 8), 3: (6, 8, 3), 4: (6, 8, 4)}


def write(path, channels, kind):
    rng = np.random.default_rng(channels)
    if kind == 'float32':
        image = rng.random(SHAPES[channels], np.float32)
    else:
        most = np.iinfo(kind).max + 1
        image = rng.integers(0, most, SHAPES[channels]).astype(kind)
    cv2.imwrite(str(path), image)
    return image


def load(path, **options):
    return LoadImage(**options)({'img_path': str(path)})['img']


KINDS = [
    (suffix, channels, kind)
    for suffix in ('png', 'tiff')
    for channels in SHAPES
    for kind in ('uint8', 'uint16', 'float32')
    if (suffix, kind) != ('png', 'float32')
]


@pytest.mark.parametrize(('suffix', 'channels', 'kind'), KINDS)
def test_unchanged_reads_every_value(tmp_path, suffix, channels, kind):
    path = tmp_path / f'a.{suffix}'
    image = write(path, channels, kind)
    found = load(path, color_type='unchanged')
    assert found.dtype == (np.uint8 if kind == 'uint8' else np.float32)
    np.testing.assert_array_equal(found, image.astype(found.dtype))


@pytest.mark.parametrize(('suffix', 'channels', 'kind'), KINDS)
def test_what_a_file_says_of_itself(tmp_path, suffix, channels, kind):
    path = tmp_path / f'a.{suffix}'
    write(path, channels, kind)
    data = path.read_bytes()
    found = pixel_kind(data, str(path))
    bits = dict(uint8=8, uint16=16, float32=32)[kind]
    assert found == (channels, bits, kind == 'float32')
    assert image_header(data, str(path))[:2] == (8, 6)


@pytest.mark.parametrize('channels', SHAPES)
def test_fractions_are_no_colours(tmp_path, channels):
    path = tmp_path / 'a.tiff'
    write(path, channels, 'float32')
    with pytest.raises(DataError, match=r"a\.tiff.*fractions.*'unchanged'"):
        load(path)


@pytest.mark.parametrize('channels', SHAPES)
def test_colours_of_16_bits_are_the_upper_8(tmp_path, channels):
    path = tmp_path / 'a.png'
    image = write(path, channels, 'uint16')
    upper = np.atleast_3d(image)[..., :3] >> 8
    np.testing.assert_array_equal(
        load(path), np.broadcast_to(upper, (6, 8, 3))
    )


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_no_numbers(tmp_path, value):
    image = np.ones((6, 8), np.float32)
    image[2, 3] = value
    cv2.imwrite(str(tmp_path / 'a.tiff'), image)
    with pytest.raises(DataError, match=r'a\.tiff.*not finite; fill them'):
        load(tmp_path / 'a.tiff', color_type='unchanged')


def test_values_that_are_no_numbers_in_single_precision(tmp_path):
    path = tmp_path / 'a.tiff'
    cv2.imwrite(str(path), np.full((6, 8), 1e300))
    with pytest.raises(DataError, match='not finite'):
        load(path, color_type='unchanged')


def test_a_palette_has_three_channels(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(np.zeros((4, 4), np.uint8)).convert('P').save(path)
    assert pixel_kind(path.read_bytes(), str(path)) == (3, 8, False)


@pytest.mark.parametrize('cut', [9, 60])
def test_a_tiff_that_is_cut_off(tmp_path, cut):
    path = tmp_path / 'a.tiff'
    write(path, 3, 'float32')
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r'cannot read .*a\.tiff'):
        load(path, color_type='unchanged')


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        (np.full((1, 1, 4), [1, 2, 3, 9], np.uint8), [3, 2, 1]),
        (np.full((1, 1), 7, np.uint8), [7, 7, 7]),
        (np.full((1, 1, 2), [5, 9], np.uint8), [5, 5, 5]),
        (np.full((1, 1, 3), [0.0, 0.2, 1.0], np.float32), [255, 51, 0]),
        (np.full((1, 1, 3), [0.0, 100, 200], np.float32), [200, 100, 0]),
        (np.full((1, 1, 3), [0, 257, 65535], np.uint16), [255, 1, 0]),
        (np.full((1, 1, 3), [0, 1000, 4000], np.uint16), [249, 62, 0]),
        (np.full((1, 1, 3), [0.0, 256, 511], np.float32), [255, 128, 0]),
        (np.full((1, 1, 3), [-1.0, 0.0, 1.0], np.float32), [255, 128, 0]),
    ],
)
def test_pictures_of_any_pixels(image, expected):
    assert displayable(image).tolist() == [[expected]]
