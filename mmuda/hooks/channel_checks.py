# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Whether images have the channels that everything on their way takes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.datasets.data_checks import AnyDataset, iter_domains
from mmuda.datasets.domain_dataset import iter_leaves, iter_transforms
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.image_loading import LoadImage
from mmuda.models.augmentation import StrongAugmentation, require_colours
from mmuda.models.input_channels import (
    channel_fault,
    first_channels,
    normalised_channels,
)
from mmuda.models.players import unwrap
from mmuda.utils.errors import ConfigError

# Steps that change colours of three bytes; what changes the number of
# channels is not followed, nor steps of other packages, which may.
_COLOUR_STEPS = (
    *('PhotoMetricDistortion', 'ColorJitter', 'StrongAugmentation'),
    'LabTranslation',
)
_CHANGE_CHANNELS = ('RGB2Gray',)
_PACKAGES = ('mmuda', 'mmseg', 'mmcv')
_PILLOW = 'pillow'


def check_image_channels(
    model: BaseSegmentor, datasets: Mapping[str, AnyDataset]
) -> None:
    """Refuse images that a pipeline, the mean or the network does not fit.

    The first image of each data set is read.

    Args:
        model: With its preprocessor.
        datasets: By the name that messages call them.

    Raises:
        ConfigError: A step or an augmentation changes colours of what has
            none, or the image does not fit the preprocessor or the network;
            names the file.
        DataError: An image can't be read.
    """
    found: int | None = None
    for title, leaf in _followed(datasets):
        image, path = _first_image(leaf)
        channels = 1 if image.ndim == 2 else image.shape[2]
        _check_steps(title, leaf, image, channels, path)
        fault = channel_fault(
            channels,
            normalised_channels(model.data_preprocessor),
            _taken_by(model),
        )
        if fault is not None:
            raise ConfigError(f'{title}: {path!r} {fault}')
        found = normalised_channels(model.data_preprocessor) or channels
    if found is not None:
        _check_augmentation(model, found)


def _followed(
    datasets: Mapping[str, AnyDataset],
) -> Iterator[tuple[str, SegmentationDataset]]:
    """Data sets whose images are read and changed by known steps alone."""
    for title, dataset in datasets.items():
        for name, domain in iter_domains(dataset):
            for part, leaf in iter_leaves(name, domain):
                steps = steps_of(leaf)
                known = all(
                    type(step).__module__.partition('.')[0] in _PACKAGES
                    and type(step).__name__ not in _CHANGE_CHANNELS
                    for step in steps
                )
                if known and steps and isinstance(steps[0], LoadImage):
                    yield f'{title} data, {part}', leaf


def steps_of(leaf: SegmentationDataset) -> list[Any]:
    """Steps of a pipeline in their order, and those inside of them.

    Args:
        leaf: A data set without wrappers.
    """
    _, *inner = iter_transforms(leaf)
    return [step for step in inner if not hasattr(step, 'transforms')]


def _first_image(leaf: SegmentationDataset) -> tuple[np.ndarray, str]:
    sample = steps_of(leaf)[0](leaf.get_data_info(0))
    return sample['img'], sample['img_path']


def _check_steps(
    title: str,
    leaf: SegmentationDataset,
    image: np.ndarray,
    channels: int,
    path: str,
) -> None:
    largest = float(image.max())
    is_bytes = image.dtype == np.uint8 or 1 < largest <= 255
    for step in steps_of(leaf):
        name = type(step).__name__
        if name in _COLOUR_STEPS and not (channels == 3 and is_bytes):
            raise ConfigError(
                f'{title}: {name} changes colours of three channels from 0 to '
                f'255, and {path!r} has {channels} up to {largest:g}; leave '
                'it out of the pipeline'
            )
        if _backend(step) == _PILLOW and not (
            channels in (1, 3) and image.dtype == np.uint8
        ):
            raise ConfigError(
                f"{title}: {name}(backend='pillow') takes colours of 8 bits "
                f'(of four channels the last would be alpha), and {path!r} '
                f"has {channels} channels of {image.dtype}; set backend='cv2' "
                "or 'torch'"
            )


def _backend(step: BaseTransform) -> str | None:
    """Of a step that resizes, or has one that does."""
    inner = getattr(step, 'resize', step)
    return getattr(inner, 'backend', None)


def _taken_by(model: BaseSegmentor) -> int | None:
    network = unwrap(getattr(model, 'segmentor', model))
    backbone = getattr(network, 'backbone', None)
    return None if backbone is None else first_channels(backbone)


def _check_augmentation(model: BaseSegmentor, channels: int) -> None:
    places = {'model': model}
    for term in getattr(model, 'terms', ()):
        places[f'model.terms: {type(term).__name__}'] = term
    for place, part in places.items():
        augmentation = getattr(part, 'augmentation', None)
        if (
            isinstance(augmentation, StrongAugmentation)
            and augmentation.jitter_probability > 0
        ):
            require_colours(channels, place)
