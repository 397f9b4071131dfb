# Copyright (c) mmuda authors.
"""Whether images have the channels that a network takes."""

from collections.abc import Iterable, Sequence

from mmengine.model import BaseDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmuda.utils.errors import DataError

_UNKNOWN = 'an image'


def normalised_channels(preprocessor: nn.Module) -> int | None:
    """Channels that a preprocessor has a mean for; None if it has none."""
    if getattr(preprocessor, '_enable_normalize', False):
        mean = preprocessor.mean
        assert isinstance(mean, Tensor), 'a buffer of (C, 1, 1)'
        return len(mean)
    return None


def first_channels(network: nn.Module) -> int | None:
    """Channels that the first layer of a network takes.

    Args:
        network: With its convolutions in the order of their use, as far as
            the first one goes.

    Returns:
        None without a convolution.
    """
    layers = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    first = next(layers, None)
    return None if first is None else first.in_channels


def channel_fault(
    channels: int, normalised: int | None, taken: int | None
) -> str | None:
    """Say why images do not fit, if they don't.

    Images of one channel are taken for each that there is a mean for.

    Args:
        channels: Of the images.
        normalised: That the preprocessor has a mean for; None for any.
        taken: That the network takes; None if it is not known.
    """
    seen = channels
    if normalised not in (None, 1, channels):
        if channels != 1:
            return (
                f'has {channels} channels, and model.data_preprocessor has '
                f'mean and std of {normalised}: give it {channels}, in the '
                "order of the file's (BGR first), or read "
                f'{_other_reading(channels, normalised)}'
            )
        seen = normalised
    if taken in (None, seen):
        return None
    start = (
        f'has {seen} channels when it reaches the network, whose first layer '
        f'takes {taken}: '
    )
    if seen < taken:
        return (
            f'{start}read {_other_reading(seen, taken)}, with as many values '
            'in mean and std of model.data_preprocessor, or set '
            f'in_channels={seen} of the backbone'
        )
    return (
        f'{start}set in_channels={seen} of the backbone (weights of '
        'ImageNet do not fit its first layer then; partial=[...] of init_cfg '
        'names what keeps its initial value), or read '
        f'{_other_reading(seen, taken)}'
    )


def _other_reading(channels: int, wanted: int | None) -> str:
    if wanted is not None and channels < wanted:
        return (
            "all channels of the file by LoadImage(color_type='unchanged') "
            'in every pipeline'
        )
    if wanted == 1:
        return "grey images by LoadImage(color_type='grayscale')"
    return "three colours by LoadImage(color_type='color')"


def check_channels(
    preprocessor: BaseDataPreprocessor,
    images: Iterable[Tensor],
    samples: Sequence[BaseDataElement] | None,
) -> None:
    """Refuse images that the mean of a preprocessor does not fit.

    Args:
        preprocessor: About to normalise them.
        images: N times (C, H, W).
        samples: N samples, which may name their files.

    Raises:
        DataError: One has another number of channels; names it.
    """
    normalised = normalised_channels(preprocessor)
    for number, image in enumerate(images):
        fault = channel_fault(image.shape[-3], normalised, None)
        if fault is not None:
            sample = samples[number] if samples else None
            path = None if sample is None else sample.get('img_path')
            raise DataError(f'{path or _UNKNOWN} {fault}')
