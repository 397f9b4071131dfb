"""No file makes a reader wait, allocate what it claims, or fail oddly."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from toy_images import folder_config, make_folder, make_image, make_label

from mmuda.datasets import LoadImage, scan_dataset
from mmuda.datasets.images.image_header import image_header, max_pixels
from mmuda.datasets.images.image_io import (
    decode_ids,
    decode_image,
    read_bytes,
    read_image,
)
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

FORMATS = ['PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP', 'GIF', 'PPM', 'JPEG2000']


def encoded(kind, size=(9, 5), mode='RGB', **options):
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, content):
    check = struct.pack('>I', zlib.crc32(kind + content))
    return struct.pack('>I', len(content)) + kind + content + check


def bomb(kind, width, height):
    """A small file whose header claims a large image."""
    if kind == 'PNG':
        header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
        parts = chunk(b'IHDR', header), chunk(b'IDAT', zlib.compress(b''))
        return b''.join([b'\x89PNG\r\n\x1a\n', *parts, chunk(b'IEND', b'')])
    data = bytearray(encoded(kind))
    if kind == 'JPEG':
        place = data.index(b'\xff\xc0')
        struct.pack_into('>HH', data, place + 5, height, width)
    elif kind == 'BMP':
        struct.pack_into('<ii', data, 18, width, height)
    else:
        for tag, value in ((256, width), (257, height)):
            place = data.index(struct.pack('<H', tag), 4)
            struct.pack_into('<HII', data, place + 2, 4, 1, value)
    return bytes(data)


@pytest.mark.parametrize('kind', FORMATS)
def test_size_and_format(kind):
    header = image_header(encoded(kind), 'a')
    assert header == (9, 5, 1, kind)


@pytest.mark.parametrize('options', [{}, {'progressive': True}])
def test_size_of_a_jpeg_with_profiles(options):
    data = encoded('JPEG', icc_profile=bytes(70000), comment='x', **options)
    assert image_header(data, 'a')[:2] == (9, 5)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'BMP', 'TIFF'])
@pytest.mark.parametrize('size', [(60000, 60000), (40000, 5000)])
def test_images_too_large_to_decode(tmp_path, kind, size):
    path = tmp_path / 'a.png'
    path.write_bytes(bomb(kind, *size))
    for read in (
        lambda: read_image(path),
        lambda: decode_ids(path.read_bytes(), str(path), None),
    ):
        with pytest.raises(DataError, match=r"a\.png'.* pixels"):
            read()


def test_limit_is_that_of_pillow(tmp_path, monkeypatch):
    make_image(tmp_path / 'a.png', size=(10, 10))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    assert read_image(tmp_path / 'a.png').shape == (10, 10, 3)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 49)
    with pytest.raises(DataError, match='10x10 pixels, more than 98'):
        read_image(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', None)
    assert max_pixels() == float('inf')


@pytest.mark.parametrize(('width', 'height'), [(0, 5), (5, 0)])
def test_images_without_pixels(tmp_path, width, height):
    (tmp_path / 'a.png').write_bytes(bomb('PNG', width, height))
    with pytest.raises(DataError, match=r"a\.png'"):
        read_image(tmp_path / 'a.png')


def pixels_or_name(read):
    """Whether a reader gives pixels or an error that names the file."""
    try:
        return read().ndim >= 2
    except DataError as error:
        return 'a.png' in str(error)


@pytest.mark.parametrize('seed', range(40))
def test_damaged_bytes(tmp_path, seed):
    """Whatever is wrong is told as a DataError."""
    rng = np.random.default_rng(seed)
    kind = FORMATS[seed % len(FORMATS)]
    data = bytearray(encoded(kind, (30, 20)))
    for place in rng.integers(0, min(len(data), 200), 4):
        data[place] = rng.integers(256)
    if seed % 3 == 0:
        data = data[: len(data) * 2 // 3]
    (tmp_path / 'a.png').write_bytes(bytes(data))
    readers = (
        lambda: read_image(tmp_path / 'a.png'),
        lambda: decode_ids(bytes(data), 'a.png', 0),
    )
    assert all(pixels_or_name(read) for read in readers)


@pytest.mark.parametrize('mode', ['CMYK', 'RGBA', 'L', 'LA', 'P', '1', 'I;16'])
def test_kinds_of_pixels(tmp_path, mode):
    kind = 'JPEG' if mode == 'CMYK' else 'PNG'
    (tmp_path / 'a.png').write_bytes(encoded(kind, mode=mode))
    image = read_image(tmp_path / 'a.png')
    assert (image.shape, image.dtype) == ((5, 9, 3), np.uint8)


def test_fractions_are_no_image(tmp_path):
    (tmp_path / 'a.png').write_bytes(encoded('TIFF', mode='F'))
    with pytest.raises(DataError, match=r"a\.png'.*fractions"):
        read_image(tmp_path / 'a.png')


# What is no file


def test_damaged_bytes_that_pillow_finds_late():
    data = encoded('PPM').replace(b'255', b'999')  # 16 bits a value
    with pytest.raises(DataError, match='damaged or no image'):
        decode_image(data, 'a', backend='pillow')


@pytest.mark.parametrize('place', ['images/a.jpg', 'labels/a.png'])
def test_pipe_that_came_later(tmp_path, place):
    dataset = DATASETS.build(folder_config(make_folder(tmp_path, ['a', 'b'])))
    (tmp_path / place).unlink()
    os.mkfifo(tmp_path / place)
    (fault,) = scan_dataset(dataset, progress=False)
    assert place in fault
    assert 'no plain file' in fault


@pytest.mark.parametrize('path', ['/dev/zero', '/dev/stdin', '.'])
def test_devices_and_folders(path):
    with pytest.raises(DataError, match='cannot read'):
        read_bytes(path)


def test_linked_pipe(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'a.png').symlink_to('pipe')
    with pytest.raises(DataError, match=r'a\.png.*no plain file'):
        LoadImage()({'img_path': str(tmp_path / 'a.png')})


def test_link_to_itself(tmp_path):
    (tmp_path / 'a.png').symlink_to('a.png')
    with pytest.raises(DataError, match=r'a\.png.*symbolic links'):
        read_image(tmp_path / 'a.png')


def test_endless_file(tmp_path):
    with open(tmp_path / 'a.png', 'wb') as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r'a\.png.*1099511627776 bytes'):
        read_image(tmp_path / 'a.png')


# Labels


def test_label_channel_that_is_not_there(tmp_path):
    path = tmp_path / 'a.png'
    make_image(path)
    with pytest.raises(DataError, match='has 3 channels, but label_channel'):
        decode_ids(path.read_bytes(), str(path), 3)


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        ('JPEG', {'quality': 100}),
        ('TIFF', {'compression': 'jpeg'}),
        ('JPEG2000', {}),
    ],
)
def test_labels_saved_with_loss(kind, options):
    data = encoded(kind, mode='L', size=(64, 64), **options)
    with pytest.raises(DataError, match=r"x\.png' is a .*changed the ids"):
        decode_ids(data, 'x.png', None)


@pytest.mark.parametrize('channel', [None, 0])
def test_webp_labels(channel):
    lossy = encoded('WEBP', lossless=False)
    with pytest.raises(DataError, match='WebP with loss'):
        decode_ids(lossy, 'x', channel)
    exact = encoded('WEBP', lossless=True)
    assert decode_ids(exact, 'x', 0).shape == (5, 9)


def test_equal_channels(tmp_path):
    ids = np.full((4, 6), 7, np.uint8)
    Image.fromarray(np.stack([ids] * 3, -1)).save(tmp_path / 'a.png')
    data = (tmp_path / 'a.png').read_bytes()
    with pytest.raises(DataError, match='all alike: set label_channel=0'):
        decode_ids(data, 'a.png', None)


@pytest.mark.parametrize('dtype', [np.int32, np.float32, np.uint16, bool])
def test_number_formats(tmp_path, dtype):
    ids = np.array([[0, 1], [1, 0]]).astype(dtype)
    make_label(tmp_path / 'a.tif', ids)
    read = decode_ids((tmp_path / 'a.tif').read_bytes(), 'a', None)
    assert read.dtype.kind in 'iu'
    np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize('value', [0.5, float('nan'), float('inf'), 3e9])
def test_fractions_are_no_ids(tmp_path, value):
    make_label(tmp_path / 'a.tif', np.full((2, 2), value, np.float32))
    with pytest.raises(DataError, match="a' holds fractions"):
        decode_ids((tmp_path / 'a.tif').read_bytes(), 'a', None)


@pytest.mark.parametrize('table', [None, 'train_ids'])
def test_minus_one_is_ignored(tmp_path, table):
    make_folder(tmp_path, ['a'], size=(2, 2))
    ids = np.array([[-1, 0], [0, -1]], np.int32)
    make_label(tmp_path / 'labels/a.tif', ids)
    config = folder_config(tmp_path, seg_map_suffix='.tif', label_table=table)
    pipeline = [dict(type='LoadImage'), dict(type='LoadLabels')]
    sample = DATASETS.build(dict(config, pipeline=pipeline))[0]
    assert sample['gt_seg_map'].tolist() == [[255, 0], [0, 255]]
