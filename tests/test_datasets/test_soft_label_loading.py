import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from torch.nn import functional
from toy_pseudo_labels import make_manifest, make_soft_labels

from mmuda.datasets import LoadSoftPseudoLabels, PackDomainInputs
from mmuda.datasets.pseudo_labels.pseudo_label_store import publish_round
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError, DataError

FLIP = {'type': 'RandomFlip', 'prob': 1.0}


def soft_sample(shape=(4, 6), num_classes=10):
    return {
        'key': 'a',
        'num_classes': num_classes,
        'img': np.zeros((*shape, 3), np.uint8),
        'img_shape': shape,
        'seg_fields': [],
    }


def load(root, sample=None, **options):
    transform = LoadSoftPseudoLabels(str(root), **options)
    return transform(sample or soft_sample())['pseudo_soft_map']


def moved(root, *transforms):
    """Load a soft map of (4, 6) and its image, whose blue is its argmax."""
    make_soft_labels(root, size=(4, 6))
    make_manifest().write(root)
    sample = soft_sample()
    sample['img'][..., 0] = load(root).argmax(-1)
    steps = [TRANSFORMS.build(dict(step)) for step in transforms]
    results = Compose([LoadSoftPseudoLabels(str(root)), *steps])(sample)
    return results, load(root)


@pytest.mark.parametrize('align_corners', [True, False])
def test_resized_as_the_network_does(tmp_path, align_corners):
    make_manifest().write(tmp_path)
    soft = make_soft_labels(tmp_path, size=(2, 3))
    actual = load(tmp_path, soft_sample((7, 9)), align_corners=align_corners)
    expected = functional.interpolate(
        torch.from_numpy(soft)[None],
        (7, 9),
        mode='bilinear',
        align_corners=align_corners,
    )
    expected = expected[0].permute(1, 2, 0).numpy()
    assert actual.shape == (7, 9, 10)
    assert np.abs(actual - expected).max() < 2**-10


def test_midpoint_is_the_mean(tmp_path):
    make_manifest().write(tmp_path)
    soft = make_soft_labels(tmp_path, size=(1, 2))
    actual = load(tmp_path, soft_sample((1, 3)))
    assert np.allclose(actual[0, 1], soft[:, 0].mean(1), atol=2**-10)


def test_pixels_sum_to_one(tmp_path):
    make_manifest().write(tmp_path)
    make_soft_labels(tmp_path)
    total = load(tmp_path, soft_sample((9, 16))).sum(-1)
    assert np.abs(total - 1).max() < 1e-6


def test_it_is_a_label_map_of_float32(tmp_path):
    results, _ = moved(tmp_path)
    assert results['seg_fields'] == ['pseudo_soft_map']
    assert results['pseudo_soft_map'].dtype == np.float32


def test_soft_label_of_other_classes(tmp_path):
    make_manifest().write(tmp_path)
    make_soft_labels(tmp_path, num_classes=7)
    with pytest.raises(DataError, match=r'a\.npz.*has 7 classes.*has 10'):
        load(tmp_path)


def test_missing_soft_label(tmp_path):
    make_manifest().write(tmp_path)
    with pytest.raises(DataError, match=r'a\.npz.*does not exist'):
        load(tmp_path)


def test_soft_labels_without_a_manifest_are_refused(tmp_path):
    make_soft_labels(tmp_path)
    with pytest.raises(DataError, match=r'no manifest\.json'):
        load(tmp_path)


def test_soft_labels_without_a_manifest_are_trusted_on_request(tmp_path):
    soft = make_soft_labels(tmp_path, size=(4, 6))
    actual = load(tmp_path, trust=True)
    assert np.allclose(actual, soft.transpose(1, 2, 0), atol=2**-10)


def test_before_the_first_round_no_pixel_has_a_label(tmp_path):
    soft = load(tmp_path, allow_missing=True)
    assert soft.shape == (4, 6, 10)
    assert not soft.any()


def test_new_round_is_read(tmp_path):
    transform = LoadSoftPseudoLabels(str(tmp_path), allow_missing=True)
    transform(soft_sample())
    make_soft_labels(tmp_path / 'round_0001')
    make_manifest().write(tmp_path / 'round_0001')
    publish_round(tmp_path, 'round_0001')
    soft = transform(soft_sample())['pseudo_soft_map']
    assert np.allclose(soft.sum(-1), 1)


# With the transforms around it


@pytest.mark.parametrize(
    ('direction', 'axis'), [('vertical', 0), ('horizontal', 1)]
)
def test_flip_of_a_soft_map(tmp_path, direction, axis):
    results, soft = moved(tmp_path, {**FLIP, 'direction': direction})
    assert np.array_equal(results['pseudo_soft_map'], np.flip(soft, axis))
    blue = results['img'][..., 0]
    assert np.array_equal(results['pseudo_soft_map'].argmax(-1), blue)


def test_random_crop_of_a_soft_map(tmp_path):
    crop = {'type': 'RandomCrop', 'crop_size': (3, 2)}
    results, _ = moved(tmp_path, crop)
    blue = results['img'][..., 0]
    assert results['pseudo_soft_map'].shape == (3, 2, 10)
    assert np.array_equal(results['pseudo_soft_map'].argmax(-1), blue)


def test_resize_after_loading_takes_the_nearest(tmp_path):
    results, soft = moved(tmp_path, {'type': 'Resize', 'scale': (12, 8)})
    expected = soft.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(results['pseudo_soft_map'], expected)


def test_random_resize_after_loading_takes_the_nearest(tmp_path):
    resize = {
        'type': 'RandomResize',
        'scale': (6, 4),
        'ratio_range': (2.0, 2.0),
        'resize_type': 'Resize',
    }
    results, soft = moved(tmp_path, resize)
    expected = soft.repeat(2, axis=0).repeat(2, axis=1)
    assert results['img'].shape == (8, 12, 3)
    assert np.array_equal(results['pseudo_soft_map'], expected)


def test_image_flipped_before_loading_a_soft_map(tmp_path):
    with pytest.raises(ConfigError, match='Soft.* must come before Random'):
        load(tmp_path, {**soft_sample(), 'flip': True})


@pytest.mark.parametrize('steps', [[], [FLIP]])
def test_packed_soft_map(tmp_path, steps):
    results, _ = moved(tmp_path, *steps)
    expected = results['pseudo_soft_map'].transpose(2, 0, 1)
    data = PackDomainInputs()(results)['data_samples'].pseudo_soft_seg.data
    assert data.dtype == torch.float16
    assert np.array_equal(data.numpy(), expected.astype(np.float16))


def test_packing_both_kinds(tmp_path):
    results, _ = moved(tmp_path)
    results['pseudo_seg_map'] = np.full((4, 6), 7, np.uint8)
    sample = PackDomainInputs()(results)['data_samples']
    assert sample.pseudo_sem_seg.data.shape == (1, 4, 6)
    assert sample.pseudo_soft_seg.data.shape == (10, 4, 6)


def test_soft_map_that_did_not_follow_the_image(tmp_path):
    results, _ = moved(tmp_path)
    results['img'] = results['img'][:3]
    with pytest.raises(ConfigError, match=r'\(4, 6\).*\(3, 6\).*LoadSoft'):
        PackDomainInputs()(results)


def test_soft_map_that_was_filled(tmp_path):
    cut = {
        'type': 'RandomCutOut',
        'prob': 1.0,
        'n_holes': 1,
        'cutout_shape': (2, 2),
        'seg_fill_in': 255,
    }
    results, _ = moved(tmp_path, cut)
    with pytest.raises(ConfigError, match=r'has 255.*put the transform'):
        PackDomainInputs()(results)
