# Copyright (c) mmuda authors.
"""Whether images have the channels that everything on their way takes."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.datasets.data_checks import AnyDataset, iter_domains
from mmuda.datasets.domain_dataset import iter_leaves, iter_transforms
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.image_loading import LoadImage, loaded_pixels
from mmuda.models.augmentation import StrongAugmentation, require_colours
from mmuda.models.input_channels import (
    channel_fault,
    first_channels,
    normalised_channels,
)
from mmuda.models.players import unwrap
from mmuda.utils.errors import ConfigError

# Steps that change colours of three bytes, and bytes of any channels; what
# changes the number of channels is not followed, nor steps of other packages,
# which may, nor what comes after a change of the values' range.
_COLOUR_STEPS = (
    *('PhotoMetricDistortion', 'ColorJitter', 'StrongAugmentation'),
    'LabTranslation',
)
_BYTE_STEPS = ('CLAHE', 'AdjustGamma', 'Cutout')
_CHANGE_CHANNELS = ('RGB2Gray',)
_CHANGE_VALUES = ('Rerange', 'Albu', 'Normalize')
_PACKAGES = ('mmuda', 'mmseg', 'mmcv')
_PILLOW = 'pillow'


class SeenImage(NamedTuple):
    """The first image of a data set, as the network sees it.

    Attributes:
        path: Its file.
        channels: After the preprocessor.
        is_bytes: Whether its values are those of 8 bits, as far as known.
    """

    path: str
    channels: int
    is_bytes: bool


def check_image_channels(
    model: BaseSegmentor, datasets: Mapping[str, AnyDataset]
) -> list[SeenImage]:
    """Refuse images that a pipeline, the mean or the network does not fit.

    The first image of each data set is read.

    Args:
        model: With its preprocessor.
        datasets: By the name that messages call them.

    Returns:
        What was read, of data sets whose steps are known.

    Raises:
        ConfigError: A step changes colours of what has none, or the image
            does not fit the preprocessor or the network; names the file.
        DataError: An image can't be read.
    """
    seen = []
    for title, leaf in _followed(datasets):
        image, stored, path = _first_image(leaf)
        channels = 1 if image.ndim == 2 else image.shape[2]
        is_bytes = _check_steps(title, leaf, image, stored, path)
        fault = channel_fault(
            channels,
            normalised_channels(model.data_preprocessor),
            _taken_by(model),
        )
        if fault is not None:
            raise ConfigError(f'{title}: {path!r} {fault}')
        shown = normalised_channels(model.data_preprocessor) or channels
        seen.append(SeenImage(path, shown, is_bytes))
    return seen


def check_colour_changes(
    model: BaseSegmentor, seen: Sequence[SeenImage], exchanges: bool
) -> None:
    """Refuse a method that changes colours of images that have none.

    Args:
        model: The method.
        seen: Images that it learns from.
        exchanges: Whether a method that can exchange the colours of images
            will do it.

    Raises:
        ConfigError: The images have not three channels of 8 bits.
    """
    for image in seen:
        _check_augmentation(model, image)
        fits = image.channels == 3 and image.is_bytes
        if (
            exchanges
            and getattr(model, 'exchanges_colours', False)
            and not fits
        ):
            units = '' if image.is_bytes else ' that are not of 8 bits'
            raise ConfigError(
                f'{type(model).__name__} exchanges the colours of images, '
                f'three channels from 0 to 255, and {image.path!r} has '
                f'{image.channels} channels{units}; set style_begin=None of '
                'CollaborativeConsistencyHook in custom_hooks, or choose '
                'another method'
            )


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


def _first_image(
    leaf: SegmentationDataset,
) -> tuple[np.ndarray, np.dtype, str]:
    """The image, the type of its values in the file, and the file."""
    loader = copy.copy(steps_of(leaf)[0])
    wanted, loader.to_float32 = loader.to_float32, False
    sample = loader(leaf.get_data_info(0))
    image = sample['img']
    return loaded_pixels(image, wanted), image.dtype, sample['img_path']


def _check_steps(
    title: str,
    leaf: SegmentationDataset,
    image: np.ndarray,
    stored: np.dtype,
    path: str,
) -> bool:
    """Refuse steps that an image does not fit.

    Returns:
        Whether its values are those of 8 bits afterwards. The type tells it:
        the values of a dark image of 16 bits do not.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    is_bytes = stored == np.uint8
    for step in steps_of(leaf):
        name = type(step).__name__
        if name in _CHANGE_VALUES:
            return True
        colours = name in _COLOUR_STEPS
        fits = is_bytes and (channels == 3 or not colours)
        if (colours or name in _BYTE_STEPS) and not fits:
            what = 'colours of three channels' if colours else 'values'
            raise ConfigError(
                f'{title}: {name} changes {what} from 0 to 255, and {path!r} '
                f'has {channels} {"channel" if channels == 1 else "channels"} '
                f'up to {float(image.max()):g}'
                f'{"" if is_bytes else ", not of 8 bits"}; leave it out of '
                'the pipeline'
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
    return is_bytes


def _backend(step: BaseTransform) -> str | None:
    """Of a step that resizes, or has one that does."""
    inner = getattr(step, 'resize', step)
    return getattr(inner, 'backend', None)


def _taken_by(model: BaseSegmentor) -> int | None:
    network = unwrap(getattr(model, 'segmentor', model))
    backbone = getattr(network, 'backbone', None)
    return None if backbone is None else first_channels(backbone)


def _check_augmentation(model: BaseSegmentor, image: SeenImage) -> None:
    places = {'model': model}
    for term in getattr(model, 'terms', ()):
        places[f'model.terms: {type(term).__name__}'] = term
    for place, part in places.items():
        augmentation = getattr(part, 'augmentation', None)
        if (
            isinstance(augmentation, StrongAugmentation)
            and augmentation.jitter_probability > 0
        ):
            require_colours(image.channels, place, image.is_bytes)
