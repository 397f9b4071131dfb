"""Resizing by Pillow's filters with the kernels of PyTorch."""

import mmcv
import numpy as np
import pytest
import torch
from toy_images import make_image

from mmuda.datasets.transforms.resizing import resize_antialiased
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError

SIZES = [(64, 40), (61, 33), (100, 77), (200, 31)]


def noise(height=77, width=101):
    shape = height, width, 3
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def resized(image, labels=None, **options):
    step = TRANSFORMS.build(
        dict(type='Resize', interpolation='bicubic') | options
    )
    results = dict(img=image, img_shape=image.shape[:2], seg_fields=[])
    if labels is not None:
        results |= dict(gt_seg_map=labels, seg_fields=['gt_seg_map'])
    return step(results)


def by_pillow(image, size, interpolation):
    """Columns first, as Pillow did until it chose the cheaper order."""
    for part in ((size[0], len(image)), size):
        image = mmcv.imresize(
            image, part, interpolation=interpolation, backend='pillow'
        )
    return image


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', SIZES)
def test_one_grey_level_from_pillow(interpolation, size):
    """On noise, where rounding differs most."""
    found = resize_antialiased(noise(), size, interpolation)
    assert found.dtype == np.uint8
    expected = by_pillow(noise(), size, interpolation)
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05


@pytest.mark.parametrize('keep_ratio', [False, True])
@pytest.mark.parametrize('size', SIZES)
def test_all_but_the_image_is_as_by_pillow(size, keep_ratio):
    labels = noise()[..., 0]
    options = dict(scale=size, keep_ratio=keep_ratio)
    found, expected = (
        resized(noise(), labels, backend=backend, **options)
        for backend in ('torch', 'pillow')
    )
    assert found.keys() == expected.keys()
    for key in found.keys() - {'img', 'gt_seg_map'}:
        assert found[key] == expected[key], key
    assert found['img'].shape == expected['img'].shape
    assert np.array_equal(found['gt_seg_map'], expected['gt_seg_map'])


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_other_backends_are_those_of_mmcv(backend):
    found = resized(noise(), scale=(64, 40), backend=backend)['img']
    expected = mmcv.imresize(
        noise(), (64, 40), interpolation='bicubic', backend=backend
    )
    assert np.array_equal(found, expected)


def test_packing_does_not_copy(tmp_path):
    image = resized(noise(), scale=(64, 40), backend='torch')['img']
    results = dict(img=image, img_path='a', ori_shape=(77, 101))
    packed = TRANSFORMS.build(dict(type='PackDomainInputs'))(results)
    assert packed['inputs'].is_contiguous()
    assert packed['inputs'].data_ptr() == torch.from_numpy(image).data_ptr()


def test_cropped_images(tmp_path):
    image = make_image(tmp_path / 'a.png', size=(50, 60))
    part = resize_antialiased(image[5:-5, 7:-3], (30, 20), 'bicubic')
    copy = image[5:-5, 7:-3].copy()
    assert np.array_equal(part, resize_antialiased(copy, (30, 20), 'bicubic'))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(backend='skimage'), 'Resize.backend'),
        (dict(backend='torch', interpolation='lanczos'), 'interpolation'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        resized(noise(), scale=(4, 4), **options)
