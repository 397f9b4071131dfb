"""Colour jitter of images as they are loaded."""

import cv2
import numpy as np
import pytest

from mmuda.datasets.transforms.color_jitter import ColorJitter
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError

STRENGTHS = dict(brightness=0.2, contrast=0.3, saturation=0.4, hue=0.1)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def grey(image):
    """Luma (H, W, 1) of a BGR image, as OpenCV rounds it."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None].astype(float)


def turned(image, turn):
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hsv[..., 0] += np.uint8(int(turn * 255) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL).astype(float)


# By their definition: what an image is mixed with.
DEFINED = (
    lambda image, f: f * image,
    lambda image, f: f * image + (1 - f) * round(grey(image).mean()),
    lambda image, f: f * image + (1 - f) * grey(image),
    turned,
)


def jittered(drawn):
    transform = ColorJitter(**STRENGTHS)
    transform.draw = lambda: drawn
    return transform(dict(img=IMAGE.copy()))['img']


@pytest.mark.parametrize(
    ('number', 'factor'),
    [(0, 0.4), (0, 1.3), (1, 0.4), (1, 1.3), (2, 0.4), (2, 1.3)]
    + [(3, -0.08), (3, 0.1)],
)
def test_operations_are_as_defined(number, factor):
    found = jittered([(number, factor)])
    expected = DEFINED[number](IMAGE, factor).clip(0, 255)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1
    assert not np.array_equal(found, IMAGE)


def test_operations_follow_each_other():
    drawn = [(2, 1.3), (0, 0.8)]
    first = jittered(drawn[:1])
    expected = (0.8 * first).clip(0, 255)
    assert np.abs(jittered(drawn) - expected).max() <= 1
    assert not np.array_equal(jittered(drawn), jittered(drawn[::-1]))


def test_factors_and_orders_are_drawn():
    np.random.seed(0)
    transform = ColorJitter(**STRENGTHS)
    draws = [transform.draw() for _ in range(500)]
    orders = {tuple(number for number, _ in draw) for draw in draws}
    assert len(orders) == 24
    factors = np.array([[f for _, f in sorted(draw)] for draw in draws])
    least, most = factors.min(axis=0), factors.max(axis=0)
    assert least == pytest.approx([0.8, 0.7, 0.6, -0.1], abs=0.01)
    assert most == pytest.approx([1.2, 1.3, 1.4, 0.1], abs=0.01)
    transform = ColorJitter(contrast=5.0)
    wide = [transform.draw()[0][1] for _ in range(200)]
    assert 0 <= min(wide) < 0.2
    assert 5.8 < max(wide) <= 6


@pytest.mark.parametrize(('prob', 'share'), [(0, 0), (0.9, 0.9), (1, 1)])
def test_a_share_of_images_changes(prob, share):
    np.random.seed(0)
    transform = TRANSFORMS.build(
        dict(type='ColorJitter', **STRENGTHS, prob=prob)
    )
    images = [transform(dict(img=IMAGE))['img'] for _ in range(400)]
    changed = [not np.array_equal(image, IMAGE) for image in images]
    assert np.mean(changed) == pytest.approx(share, abs=0.04)


def test_what_does_not_act_is_not_drawn():
    nothing, hue = ColorJitter(), ColorJitter(hue=0.5)
    assert nothing.draw() == []
    assert [number for number, _ in hue.draw()] == [3]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(brightness=-1), 'ColorJitter.brightness=-1: must be a finite'),
        (dict(hue=0.6), r'ColorJitter.hue=0.6: must be a number in \[0, 0.5'),
        (dict(prob=2), r'ColorJitter.prob=2: must be a number in \[0, 1\]'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ColorJitter(**options)
