# Copyright (c) mmuda authors.
"""Showing an image to a network as a config tests it, without labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config

from mmuda.apis.prediction_inputs import (
    ChannelOrder,
    Item,
    Note,
    as_bgr,
    as_stored,
    notes_of_file,
    require_image,
)
from mmuda.datasets.images.image_io import UNCHANGED
from mmuda.datasets.transforms.image_loading import loaded_pixels
from mmuda.registry import TRANSFORMS
from mmuda.utils.config_data import (
    dataset_leaves,
    target_images,
    without_label_loaders,
)
from mmuda.utils.config_keys import type_name
from mmuda.utils.drawing import displayable
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.evaluation_config import AT_INPUT_SIZE

# Ratio of an image's size to that of the training from which on it is told.
_FAR = 2
# Likewise of values: deviations from the mean, and parts of it.
_FAR_OFF = 6
_DARK = 1 / 8

# Mean and standard deviation of each channel, in the order of a file.
Usual = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Shown:
    """An image as a network sees it.

    Attributes:
        packed: ``inputs`` and ``data_samples``, of a single version tensor
            and sample, with test-time augmentation lists.
        image: (H, W, 3) RGB, uint8, as it was given.
        path: Of the image.
        box: Top, bottom, left and right of what is predicted, in pixels of
            the image.
        notes: What is unusual about it.
    """

    packed: dict[str, Any]
    image: np.ndarray
    path: str | None
    box: tuple[int, int, int, int]
    notes: list[Note]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the network's input, (C, H, W), or of all versions."""
        inputs = self.packed['inputs']
        if isinstance(inputs, list | tuple):
            return tuple(size for part in inputs for size in part.shape)
        return tuple(inputs.shape)


def pipeline_of(cfg: Config) -> list[dict]:
    """Steps by which a config tests, without labels.

    What resizes predictions to what the network sees is left out, too.

    Args:
        cfg: With a loader to test or validate, of which the first data set
            counts, or ``test_pipeline``.

    Raises:
        ConfigError: It has no pipeline, or one that does not begin with the
            reading of an image and end with packing it.
    """
    steps = None
    for key in ('test_dataloader', 'val_dataloader'):
        loader = cfg.get(key)
        loader = loader[0] if isinstance(loader, list | tuple) else loader
        if steps is None and loader and loader.get('dataset'):
            leaf = next(dataset_leaves(loader['dataset']))
            steps = leaf.get('pipeline') or None
    steps = steps or cfg.get('test_pipeline')
    if not steps:
        raise ConfigError(
            'the config says nothing of how images are shown to the network; '
            'give it a test_dataloader or test_pipeline'
        )
    steps = without_label_loaders(steps, [AT_INPUT_SIZE])
    kinds = [*map(type_name, steps)]
    last = kinds[-1]
    if len(steps) < 2 or not (last.startswith('Pack') or 'Aug' in last):
        raise ConfigError(
            'the pipeline of a test set must start with LoadImage and end in '
            f'PackSegInputs, not {kinds}'
        )
    return steps


def training_size(cfg: Config) -> tuple[int, int] | None:
    """Width and height of images in training, if the config says so.

    Args:
        cfg: With the pipeline of a target, or of a test.
    """
    pipelines = [
        leaf.get('pipeline') or ()
        for part in target_images(cfg).values()
        for leaf in dataset_leaves(part)
    ]
    for steps in (*pipelines, cfg.get('test_pipeline') or ()):
        for step in steps:
            scale = step.get('scale') if isinstance(step, Mapping) else None
            sides = scale if isinstance(scale, list | tuple) else ()
            if len(sides) == 2 and all(isinstance(s, int) for s in sides):
                return sides[0], sides[1]
    return None


def usual_values(cfg: Config) -> Usual | None:
    """Values that images of the training have, if the config says so.

    Args:
        cfg: With ``mean`` and ``std`` of ``model.data_preprocessor``.
    """
    part = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if not part.get('mean') or not part.get('std'):
        return None
    mean, std = (np.atleast_1d(part[key]) for key in ('mean', 'std'))
    is_rgb = part.get('bgr_to_rgb') or part.get('rgb_to_bgr')
    order = -1 if is_rgb and len(mean) == 3 else 1
    return mean[::order], std[::order]


class PredictionPipeline:
    """The steps of a pipeline, for files and arrays.

    Args:
        steps: As of :func:`pipeline_of`.
        size: Width and height in training; None if it is not known.
        usual: Values in training; None if they are not known.

    Raises:
        ConfigError: The first step reads no image.
    """

    def __init__(
        self,
        steps: Sequence[dict],
        size: tuple[int, int] | None = None,
        usual: Usual | None = None,
    ) -> None:
        self.usual = usual
        first, *others = map(TRANSFORMS.build, steps)
        if not isinstance(first, LoadImageFromFile):
            raise ConfigError(
                f'the pipeline of a test set must start with LoadImage, not '
                f'{type_name(steps[0])}'
            )
        self.loader, self.steps, self.size = first, others, size
        self.is_unchanged = first.color_type.startswith(UNCHANGED)

    def __call__(self, item: Item, order: ChannelOrder = 'bgr') -> Shown:
        """Read and prepare an image; may run in several threads.

        Args:
            item: The image.
            order: Of the channels of an array.

        Raises:
            DataError: It can't be read, or is no image.
        """
        results, notes = self._loaded(item, order)
        image = displayable(results['img'])
        notes += self._far_size(image, item.name)
        notes += self._far_values(results['img'], item.name)
        for step in self.steps[:-1]:
            results = step(results)
        height, width = image.shape[:2]
        box = results.get('crop_box', (0, height, 0, width))
        packed = self.steps[-1](results)
        return Shown(packed, image, item.path, tuple(box), notes)

    def _loaded(
        self, item: Item, order: ChannelOrder
    ) -> tuple[dict[str, Any], list[Note]]:
        results: dict[str, Any] = dict(img_path=item.path or '', seg_fields=[])
        if item.image is None:
            assert item.path is not None, 'of a file'
            require_image(item.path)
            loaded = self.loader(results)
            if loaded is None:
                raise DataError(f'cannot read {item.path!r}')
            notes = [] if self.is_unchanged else notes_of_file(item.path)
            return loaded, notes
        order = 'bgr' if item.is_bgr else order
        if self.is_unchanged:
            image, notes = as_stored(item.image, order, item.name), []
        else:
            image, notes = as_bgr(item.image, order, item.name)
            notes = [*item.notes, *notes]
        results['img'] = image = loaded_pixels(image, self.loader.to_float32)
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results, notes

    def _far_size(self, image: np.ndarray, name: str) -> list[Note]:
        if self.size is None:
            return []
        height, width = image.shape[:2]
        pairs = zip((width, height), self.size, strict=True)
        ratios = [own / then for own, then in pairs]
        larger, smaller = max(ratios), 1 / min(ratios)
        ratio = max(larger, smaller)
        if ratio <= _FAR:
            return []
        then = f'{self.size[0]}x{self.size[1]}'
        word = 'larger' if ratio == larger else 'smaller'
        return [
            Note(
                'size',
                f'{name} is {width}x{height} (width x height), '
                f'{ratio:.1f} times {word} than {then}, at which '
                f'the network was trained: objects look {word}, or blurred',
            )
        ]

    def _far_values(self, image: np.ndarray, name: str) -> list[Note]:
        """Of an image in other units, such as 8 bits for 16."""
        image = np.atleast_3d(image)
        if not self.is_unchanged or self.usual is None:
            return []
        mean, std = self.usual
        if len(mean) not in (1, image.shape[2]):
            return []
        values, most = image.mean(axis=(0, 1)), image.max(axis=(0, 1))
        far = abs(values - mean) > _FAR_OFF * std
        if not (far | (most < _DARK * mean)).all():
            return []
        return [
            Note(
                'units',
                f'{name} has values of {values.mean():.3g} on average, and '
                f'the network was trained on {mean.mean():.3g}: show it '
                'images in the units of its training, such as all 16 bits',
            )
        ]
