import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mmuda.datasets.transforms.strong_augmentation import (
    GEOMETRIC_OPERATIONS,
    OPERATIONS,
    apply_operations,
)

PHOTOMETRIC = sorted({*OPERATIONS} - {*GEOMETRIC_OPERATIONS})


def photograph():
    """Return a smooth image of unequal channels within 20 and 230."""
    rows, columns = np.indices((48, 64))
    blue = 20 + 2 * columns + rows // 4
    green = 230 - 4 * rows
    red = 90 + 60 * np.sin(columns / 9)
    return np.stack([blue, green, red], -1).astype(np.uint8)


def pillow(operation, magnitude):
    image = Image.fromarray(np.ascontiguousarray(photograph()[..., ::-1]))
    share = 0.05 + 0.9 * magnitude
    changed = {
        'autocontrast': lambda: ImageOps.autocontrast(image),
        'brightness': lambda: ImageEnhance.Brightness(image).enhance(share),
        'color': lambda: ImageEnhance.Color(image).enhance(share),
        'contrast': lambda: ImageEnhance.Contrast(image).enhance(share),
        'equalize': lambda: ImageOps.equalize(image),
        'identity': lambda: image,
        'posterize': lambda: ImageOps.posterize(image, 4 + int(4 * magnitude)),
        'sharpness': lambda: ImageEnhance.Sharpness(image).enhance(share),
        'solarize': lambda: ImageOps.solarize(
            image, 256 - int(256 * magnitude)
        ),
    }
    return np.asarray(changed[operation]())[..., ::-1]


@pytest.mark.parametrize('magnitude', [0.1, 0.5, 0.9])
@pytest.mark.parametrize('operation', PHOTOMETRIC)
def test_equals_pillow_on_rgb(operation, magnitude):
    image, _ = apply_operations(photograph(), {}, [(operation, magnitude)])
    difference = image.astype(int) - pillow(operation, magnitude)
    # Rounding; OpenCV and Pillow treat the border differently in sharpening.
    inner = difference[2:-2, 2:-2]
    assert image.dtype == np.uint8
    limit = 2 if operation in ('color', 'sharpness') else 0
    assert np.abs(inner).max() <= limit


@pytest.mark.parametrize('operation', OPERATIONS)
def test_mirrored_views(operation):
    """RandomFlip gives views of negative strides."""
    steps = [(operation, 0.5)]
    view = photograph()[:, ::-1]
    image, labels = apply_operations(view, {'ids': view[..., 0]}, steps)
    copy = view.copy()
    expected = apply_operations(copy, {'ids': copy[..., 0]}, steps)
    assert np.array_equal(image, expected[0])
    assert np.array_equal(labels['ids'], expected[1]['ids'])
