"""Damaged PNG files are noticed, whatever decodes them."""

import io
import random

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmuda.datasets.images.image_io import decode_image
from mmuda.utils.errors import DataError


def blocks():
    small = np.random.default_rng(0).integers(0, 19, (16, 32), np.uint8)
    return np.kron(small, np.ones((4, 4), np.uint8))


def encoded(text=''):
    file, info = io.BytesIO(), PngInfo()
    info.add_text('Comment', text)
    Image.fromarray(blocks()).save(file, 'png', pnginfo=info)
    return file.getvalue()


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_flipped_bytes_never_change_pixels_silently(backend):
    rng, refused = random.Random(0), 0
    for number in range(200):
        data = bytearray(encoded())
        for position in rng.sample(range(len(data)), 1 + number % 16):
            data[position] ^= rng.randrange(1, 256)
        try:
            image, _ = decode_image(bytes(data), 'a.png', 'grayscale', backend)
        except DataError:
            refused += 1
        else:
            assert np.array_equal(image, blocks())
    assert refused >= 150


def test_what_is_appended_does_not_matter():
    data = encoded() + b'0' * 10_000
    image, _ = decode_image(data, 'a.png', 'grayscale', 'pillow')
    assert np.array_equal(image, blocks())


def test_text_with_a_wrong_checksum_does_not_matter():
    data = encoded(text='by hand').replace(b'by hand', b'by Hand')
    image, _ = decode_image(data, 'a.png', 'grayscale', 'cv2')
    assert np.array_equal(image, blocks())


@pytest.mark.parametrize('kept', [20, 100, -1, -12])
def test_cut_off(kept):
    with pytest.raises(DataError, match=r'a\.png.*damaged'):
        decode_image(encoded()[:kept], 'a.png', 'grayscale', 'cv2')


def test_opencv_reads_what_opencv_wrote():
    data = cv2.imencode('.png', blocks())[1].tobytes()
    image, _ = decode_image(data, 'a.png', 'grayscale', 'pillow')
    assert np.array_equal(image, blocks())
