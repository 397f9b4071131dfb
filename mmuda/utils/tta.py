# Copyright (c) mmuda authors.
"""Test-time augmentation: several versions of each image."""

import argparse
import copy
from collections.abc import Sequence

from mmengine.config import Config

from mmuda.utils.checks import POSITIVE
from mmuda.utils.config_data import LABEL_LOADERS
from mmuda.utils.config_keys import type_name
from mmuda.utils.errors import ConfigError

# What comes before an image is changed.
_READERS = (
    *('LoadImage', 'LoadImageFromFile', 'CropFraction'),
    *LABEL_LOADERS,
)
# What says the size of an image, and by which parameter.
_SIZES = {'Resize': 'scale', 'ResizeToFit': 'scale', 'PadToSize': 'size'}


def add_tta_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--tta`` and ``--tta-scales``."""
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: mean over each image and its mirror '
        'image, or over what tta_pipeline of the config has',
    )
    parser.add_argument(
        '--tta-scales',
        nargs='+',
        type=float,
        default=[],
        metavar='FACTOR',
        help='the same over versions of several sizes, as factors of the one '
        'at which the network sees an image, such as 0.75 1 1.25',
    )


def use_test_time_augmentation(
    cfg: Config, scales: Sequence[float] = ()
) -> None:
    """Predict the mean over several versions of each image, in place.

    They are those of ``tta_pipeline``; without it the image and its mirror
    image, by the pipeline of each test set, in its size or in several.
    ``tta_model`` merges them, by default a ``DomainTTAModel``.

    Args:
        cfg: A test config.
        scales: Factors of the size at which the network sees an image.

    Raises:
        ConfigError: A pipeline has no place for the mirror image, a scale is
            no positive number, or there are scales and ``tta_pipeline``.
    """
    for scale in scales:
        POSITIVE.require(scale, '--tta-scales')
    if scales and 'tta_pipeline' in cfg:
        raise ConfigError(
            '--tta-scales: tta_pipeline of the config says in which sizes '
            'images are shown; leave one of the two out'
        )
    loaders = cfg.test_dataloader
    for loader in loaders if isinstance(loaders, list) else [loaders]:
        dataset = loader.dataset
        dataset.pipeline = (
            cfg.tta_pipeline
            if 'tta_pipeline' in cfg
            else _mirrored(dataset.get('pipeline') or [], scales or (1.0,))
        )
    merging = cfg.get('tta_model') or dict(type='DomainTTAModel')
    cfg.model = dict(merging, module=cfg.model)


def _mirrored(pipeline: Sequence[dict], scales: Sequence[float]) -> list[dict]:
    """Have a pipeline give the image and its mirror image, in all sizes."""
    steps = copy.deepcopy(list(pipeline))
    kinds = [type_name(step) for step in steps]
    # Before Resize and padding, whose place would be mirrored, too.
    first = next((i for i, k in enumerate(kinds) if k not in _READERS), None)
    if not first or not kinds[-1].startswith('Pack') or 'TestTimeAug' in kinds:
        raise ConfigError(
            '--tta: the pipeline of a test set must start with LoadImage and '
            f'end in PackSegInputs, not {kinds}; write tta_pipeline into the '
            'config'
        )
    pack = steps[-1]
    if 'meta_keys' in pack:
        keys = (*pack['meta_keys'], 'flip', 'flip_direction')
        pack['meta_keys'] = tuple(dict.fromkeys(keys))
    flips = [
        dict(type='RandomFlip', prob=prob, direction='horizontal')
        for prob in (0.0, 1.0)
    ]
    sizes = [_scaled(steps[first:-1], scale) for scale in scales]
    versions = [flips, sizes, [pack]] if any(sizes) else [flips, [pack]]
    return [*steps[:first], dict(type='TestTimeAug', transforms=versions)]


def _scaled(steps: Sequence[dict], scale: float) -> dict | None:
    """Steps that show an image so many times as large, as one step."""
    if scale == 1:
        given = [*steps]
    elif not any(type_name(step) in _SIZES for step in steps):
        resize = dict(type='Resize', scale_factor=float(scale))
        given = [dict(resize, keep_ratio=True), *steps]
    else:
        given = [_scaled_step(step, scale) for step in steps]
    return dict(type='Compose', transforms=given) if given else None


def _scaled_step(step: dict, scale: float) -> dict:
    """A step whose size in pixels, or factor on it, is another one."""
    key = _SIZES.get(type_name(step))
    if key is None:
        return step
    if key not in step:
        key = 'scale_factor'
    sides = step[key]
    several = isinstance(sides, list | tuple)
    numbers = [side * scale for side in (sides if several else [sides])]
    if key != 'scale_factor':
        numbers = [max(1, round(number)) for number in numbers]
    return dict(step, **{key: tuple(numbers) if several else numbers[0]})
