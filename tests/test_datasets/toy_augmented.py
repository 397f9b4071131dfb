"""A sample with label maps of every kind, and augmenting it."""

import numpy as np

from mmuda.datasets import Cutout, StrongAugmentation

SIZE = (30, 48)


def sample(*fields):
    """Return a coloured image with label maps that are nowhere empty."""
    rng = np.random.default_rng(0)
    image = rng.integers(130, 256, (*SIZE, 3), dtype=np.uint8)
    soft = np.full((*SIZE, 4), 0.25, np.float32)
    maps = {
        'gt_seg_map': image[..., 0] % 19,
        'pseudo_seg_map': image[..., 0] % 7,
        'pseudo_soft_map': soft,
    }
    return {
        'img': image,
        'img_shape': SIZE,
        'ori_shape': (60, 96),
        'seg_fields': list(fields),
        **{field: maps[field] for field in fields},
    }


def with_labels():
    """Return a sample with all kinds of label maps."""
    return sample('gt_seg_map', 'pseudo_seg_map', 'pseudo_soft_map')


def is_grey(image):
    """Tell where all channels of an image are 127."""
    return (image == 127).all(-1)


def strong(seed=0, results=None, **options):
    """Augment a sample with a seed."""
    np.random.seed(seed)
    results = with_labels() if results is None else results
    return StrongAugmentation(**options).transform(results)


def cut(seed=0, results=None, **options):
    """Cut a square out of a sample with a seed."""
    np.random.seed(seed)
    results = with_labels() if results is None else results
    return Cutout(**options).transform(results)
