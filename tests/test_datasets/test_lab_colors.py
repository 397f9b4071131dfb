import warnings

import numpy as np
import pytest
import torch
from skimage import color
from toy_colors import random_image, scene

from mmuda.color.lab import transfer_colors
from mmuda.color.lab_uint8 import LabStyle, in_style, style_of

STYLE = LabStyle((50.0, 10.0, -20.0), (12.0, 6.0, 8.0))
RANDOM = {
    'all colours': (random_image(0), random_image(1, 0, 180)),
    'low contrast': (random_image(2, 100, 106), random_image(3)),
    'dark source': (random_image(4, 0, 12), random_image(5)),
    'dark target': (random_image(6), random_image(7, 0, 12)),
    'light target': (random_image(8), random_image(9, 240)),
    'blue target': (random_image(10), random_image(11) * np.uint8([1, 0, 0])),
    'one row': (random_image(12, size=(50, 1)), random_image(13, 0, 180)),
    'one column': (random_image(12, size=(1, 50)), random_image(13, 0, 180)),
    'wide': (random_image(14, size=(20_000, 2)), random_image(15, 0, 180)),
}
SCENES = {f'scene {n}': (scene(n), scene(n + 50)) for n in range(6)}
PAIRS = RANDOM | SCENES


def lab(image):
    return color.rgb2lab(image[..., ::-1])


def lab_to_rgb(values):
    with warnings.catch_warnings():
        # It tells that it clips Z.
        warnings.simplefilter('ignore')
        return color.lab2rgb(values).clip(0, 1)


def reference(source, target):
    """The transfer by scikit-image in double precision."""
    (mean, std), (new_mean, new_std) = (
        (x.mean((0, 1)), x.std((0, 1))) for x in (lab(source), lab(target))
    )
    moved = (lab(source) - mean) / std * new_std + new_mean
    return np.rint(255 * lab_to_rgb(moved)[..., ::-1]).astype(int)


@pytest.mark.parametrize('name', PAIRS)
def test_equals_scikit_image_within_a_grey_level(name):
    source, target = PAIRS[name]
    ours = in_style(source, style_of(target))
    difference = np.abs(ours - reference(source, target))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize('name', PAIRS)
def test_the_reference_changes_images(name):
    """Shows that the test above can fail."""
    source, target = PAIRS[name]
    assert np.abs(source - reference(source, target)).mean() > 3


@pytest.mark.parametrize('name', PAIRS)
def test_style_is_that_of_scikit_image(name):
    target = PAIRS[name][1]
    style = style_of(target)
    np.testing.assert_allclose(style.mean, lab(target).mean((0, 1)), atol=1e-3)
    np.testing.assert_allclose(style.std, lab(target).std((0, 1)), atol=1e-3)


@pytest.mark.parametrize('number', range(4))
def test_equals_our_transfer_on_tensors_within_a_grey_level(number):
    """On muted images, whose Lab the latter has no reason to clip."""
    pair = [scene(number + shift) // 2 + 60 for shift in (0, 50)]
    tensors = [
        torch.from_numpy(x[..., ::-1].transpose(2, 0, 1).copy()).float()[None]
        for x in pair
    ]
    theirs = transfer_colors(*tensors)[0].round().numpy().transpose(1, 2, 0)
    ours = in_style(pair[0], style_of(pair[1]))[..., ::-1]
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - pair[0][..., ::-1].astype(int)).mean() > 3


def test_lab_is_not_clipped():
    """Unlike on tensors: what is lighter than white keeps its colour."""
    source = np.full((10, 10, 3), 90, np.uint8)
    source[0, 0] = (20, 40, 255)
    style = LabStyle((80.0, 0.0, 0.0), (6.0, 7.0, 2.0))
    moved = (lab(source) - lab(source).mean((0, 1))) / lab(source).std((0, 1))
    moved = moved * style.std + style.mean
    rgb = np.rint(255 * lab_to_rgb(moved)[0, 0])
    ours = in_style(source, style)[0, 0, ::-1]
    assert np.abs(ours - rgb).max() <= 1
    moved[..., 0] = moved[..., 0].clip(0, 100)
    clipped = np.rint(255 * lab_to_rgb(moved)[0, 0])
    assert np.abs(ours - clipped).max() > 20


def test_mean_and_deviation_become_those_of_the_style():
    result = style_of(in_style(random_image(0, 100, 150), STYLE))
    np.testing.assert_allclose(result.mean, STYLE.mean, atol=0.1)
    np.testing.assert_allclose(result.std, STYLE.std, atol=0.1)


def test_own_style_changes_nothing():
    image = random_image(0)
    result = in_style(image, style_of(image)).astype(int)
    assert np.abs(result - image).max() <= 1


@pytest.mark.parametrize('bgr', [(90, 30, 200), (0, 0, 0), (128, 128, 128)])
def test_constant_image_takes_the_mean(bgr):
    image = np.full((8, 9, 3), bgr, np.uint8)
    result = in_style(image, STYLE)
    np.testing.assert_allclose(lab(result)[0, 0], STYLE.mean, atol=0.5)
    assert (result == result[0, 0]).all()


def test_one_pixel_takes_the_mean():
    result = in_style(random_image(0, size=(1, 1)), STYLE)
    np.testing.assert_allclose(lab(result)[0, 0], STYLE.mean, atol=0.5)


def test_grey_image_gets_no_pattern_of_colors():
    grey = np.repeat(random_image(0)[..., :1], 3, axis=2)
    result = lab(in_style(grey, STYLE))[..., 1:]
    np.testing.assert_allclose(result.mean((0, 1)), STYLE.mean[1:], atol=0.5)
    assert result.std((0, 1)).max() < 0.5


def test_constant_style_leaves_a_constant_image():
    style = LabStyle(STYLE.mean, (0.0, 0.0, 0.0))
    result = in_style(random_image(0), style)
    assert (result == result[0, 0]).all()


def test_mirrored_view_gives_the_mirrored_result():
    image = random_image(0)
    np.testing.assert_array_equal(
        in_style(image[:, ::-1], STYLE), in_style(image, STYLE)[:, ::-1]
    )


def test_the_image_itself_is_not_changed():
    image = random_image(0)
    in_style(image, STYLE)
    np.testing.assert_array_equal(image, random_image(0))
