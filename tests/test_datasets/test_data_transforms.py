import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from PIL import Image
from toy_images import folder_config, make_folder, make_label

from mmuda.datasets import CropFraction, PackDomainInputs
from mmuda.registry import DATASETS, TRANSFORMS
from mmuda.utils.errors import ConfigError


def sample(size=(12, 8), **maps):
    """Return an image whose blue channel equals its maps, pixel for pixel."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    fields = {name: image[..., 0].copy() for name in maps}
    return {
        'img': image,
        'img_shape': size,
        'ori_shape': size,
        'seg_fields': list(fields),
        **fields,
    }


def both():
    return sample(gt_seg_map=True, pseudo_seg_map=True)


# Resizing


def random_image():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (105, 191, 3), dtype=np.uint8)


def resized(results):
    transform = TRANSFORMS.build(
        {
            'type': 'Resize',
            'scale': (128, 72),
            'keep_ratio': False,
            'interpolation': 'bicubic',
            'backend': 'pillow',
        }
    )
    return transform(results)


def test_bicubic_equals_pillow():
    image = random_image()
    results = resized({'img': image})
    rgb = Image.fromarray(image[..., ::-1])
    expected = np.asarray(rgb.resize((128, 72), Image.BICUBIC))
    assert np.array_equal(results['img'][..., ::-1], expected)


@pytest.mark.parametrize('field', ['gt_seg_map', 'pseudo_seg_map'])
def test_labels_are_resized_nearest_as_in_pillow(field):
    labels = random_image()[..., 0]
    results = resized(
        {'img': random_image(), 'seg_fields': [field], field: labels}
    )
    expected = Image.fromarray(labels).resize((128, 72), Image.NEAREST)
    assert np.array_equal(results[field], np.asarray(expected))


# mmseg's random transforms


def test_flip_moves_labels_with_the_image():
    flip = TRANSFORMS.build({'type': 'RandomFlip', 'prob': 1.0})
    results = flip(both())
    assert results['flip']
    assert np.array_equal(results['img'][..., 0], results['gt_seg_map'])
    assert np.array_equal(results['img'][..., 0], results['pseudo_seg_map'])


def test_crop_moves_labels_with_the_image():
    crop = {'type': 'RandomCrop', 'crop_size': (4, 5), 'cat_max_ratio': 0.75}
    results = TRANSFORMS.build(crop)(both())
    assert results['img'].shape == (4, 5, 3)
    assert np.array_equal(results['img'][..., 0], results['gt_seg_map'])
    assert np.array_equal(results['img'][..., 0], results['pseudo_seg_map'])


def test_crop_of_an_image_without_labels():
    crop = {'type': 'RandomCrop', 'crop_size': (4, 5), 'cat_max_ratio': 1.0}
    assert TRANSFORMS.build(crop)(sample())['img'].shape == (4, 5, 3)


def test_photometric_distortion_leaves_labels_alone():
    distortion = TRANSFORMS.build({'type': 'PhotoMetricDistortion'})
    results = both()
    before = results['gt_seg_map'].copy()
    assert np.array_equal(distortion(results)['gt_seg_map'], before)


# Cropping a constant fraction


def test_crop_fraction():
    results = CropFraction(bottom=1 / 6, left=0.25)(both())
    expected = both()['img'][:10, 2:]
    assert np.array_equal(results['img'], expected)
    assert np.array_equal(results['gt_seg_map'], expected[..., 0])
    assert np.array_equal(results['pseudo_seg_map'], expected[..., 0])
    assert results['img_shape'] == results['ori_shape'] == (10, 6)


def test_crop_fraction_of_nothing_keeps_everything():
    results = CropFraction()(both())
    assert np.array_equal(results['img'], both()['img'])


@pytest.mark.parametrize('order', ['before', 'after'])
def test_labels_are_cropped_whenever_they_are_loaded(tmp_path, order):
    make_folder(tmp_path, ['a'], size=(12, 8))
    ids = np.arange(12, dtype=np.uint8).repeat(8).reshape(12, 8)
    make_label(tmp_path / 'labels/a.png', ids % 10)
    crop, labels = {'type': 'CropFraction', 'bottom': 1 / 6}, 'LoadLabels'
    steps = [{'type': 'LoadImage'}, crop, {'type': labels}]
    if order == 'before':
        steps[1:] = steps[:0:-1]
    dataset = DATASETS.build(folder_config(tmp_path, pipeline=steps))
    assert np.array_equal(dataset[0]['gt_seg_map'], ids[:10])


def test_crop_fraction_after_resize():
    with pytest.raises(ConfigError, match='before Resize'):
        CropFraction(bottom=0.5)({**both(), 'ori_shape': (24, 16)})


def test_crop_fraction_twice():
    with pytest.raises(ConfigError, match='must come once'):
        Compose([CropFraction(), CropFraction()])(both())


@pytest.mark.parametrize('sides', [{'top': -0.1}, {'top': 0.5, 'bottom': 0.5}])
def test_impossible_fraction(sides):
    with pytest.raises(ConfigError, match='leave something over'):
        CropFraction(**sides)


# Packing


def test_pack_without_labels():
    packed = PackDomainInputs()({**sample(), 'key': 'ulm/a'})
    assert packed['inputs'].shape == (3, 12, 8)
    assert packed['inputs'].dtype == torch.uint8
    assert packed['data_samples'].keys() == []
    assert packed['data_samples'].key == 'ulm/a'


def test_pack_labels_and_pseudo_labels():
    results = both()
    packed = PackDomainInputs()(results)['data_samples']
    assert packed.gt_sem_seg.data.shape == (1, 12, 8)
    assert packed.pseudo_sem_seg.data.dtype == torch.int64
    assert np.array_equal(
        packed.pseudo_sem_seg.data[0], results['pseudo_seg_map']
    )


def test_pack_refuses_a_pseudo_label_that_did_not_follow_the_image():
    results = both()
    results['img'] = results['img'][:6]
    with pytest.raises(ConfigError, match=r'\(12, 8\).*\(6, 8\)'):
        PackDomainInputs()(results)
