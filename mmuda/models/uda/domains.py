# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names of domains, heads and levels, and checks of them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.model import ImgDataPreprocessor
from mmseg.models import SegDataPreProcessor
from torch import Tensor, nn

from mmuda.registry import MODELS
from mmuda.utils.checks import is_number
from mmuda.utils.errors import ConfigError

SOURCE = 'source'
Losses = dict[str, Tensor]
Logits = dict[str, Tensor]


def check_preprocessor(preprocessor: nn.Module) -> None:
    """Refuse a preprocessor that takes one batch of images at a time.

    Args:
        preprocessor: Of a method.

    Raises:
        ConfigError: It is one of MMEngine's or mmseg's.
    """
    single = (SegDataPreProcessor, ImgDataPreprocessor)
    if type(preprocessor).forward in {kind.forward for kind in single}:
        raise _no_domains(preprocessor)


def check_stacked(data: Mapping[str, Any], preprocessor: nn.Module) -> None:
    """Refuse a batch whose images are not stacked by domain.

    Args:
        data: As it leaves the preprocessor; MMEngine's base class passes on
            what it gets.
        preprocessor: For the message.

    Raises:
        ConfigError: ``inputs`` are not tensors by domain.
    """
    images = data.get('inputs')
    if not isinstance(images, Mapping) or not all(
        isinstance(part, Tensor) for part in images.values()
    ):
        raise _no_domains(preprocessor)


def _no_domains(preprocessor: nn.Module) -> ConfigError:
    return ConfigError(
        f"model.data_preprocessor: '{type(preprocessor).__name__}' does not "
        "know domains; use 'DomainDataPreprocessor', which takes the "
        "arguments of 'SegDataPreProcessor'"
    )


def check_number(
    key: str, value: float, least: float = 0.0, most: float | None = None
) -> float:
    """Refuse a number of a method that is out of its range.

    Args:
        key: Its key in the config, below ``model``.
        value: The number.
        least: Smallest that is allowed.
        most: Largest that is allowed, if there is a limit.

    Raises:
        ConfigError: It is no finite number, or out of its range.
    """
    highest = sys.float_info.max if most is None else most
    # NaN and infinity are in no range.
    if not is_number(value) or not least <= value <= highest:
        limits = f'at least {least:g}'
        if most is not None:
            limits = f'from {least:g} to {most:g}'
        raise ConfigError(
            f'model.{key} must be a number {limits}, not {value!r}'
        )
    return value


def target_domains(inputs: dict[str, Tensor]) -> list[str]:
    """Names of the target domains of a batch.

    Args:
        inputs: Images by domain.

    Raises:
        ConfigError: The batch holds the source alone.
    """
    names = [domain for domain in inputs if domain != SOURCE]
    if not names:
        raise ConfigError(
            'train_dataloader.dataset has no target domain; this method '
            'needs one (SourceOnly does not)'
        )
    return names


def distinct_targets(targets: Sequence[str]) -> tuple[str, ...]:
    """Names of a method's targets.

    Raises:
        ConfigError: There is none, or a name comes twice.
    """
    if isinstance(targets, str) or not targets:
        raise ConfigError(
            f'model.targets={targets!r} must be a list of names, those of '
            'train_dataloader.dataset.targets'
        )
    if len(set(targets)) < len(targets):
        raise ConfigError(f'model.targets names a target twice: {targets}')
    return tuple(targets)


def check_targets(inputs: dict[str, Tensor], targets: Sequence[str]) -> None:
    """Refuse batches of other targets than a method was built for.

    Args:
        inputs: Images by domain.
        targets: Names of the method's targets.

    Raises:
        ConfigError: They differ.
    """
    found = target_domains(inputs)
    if sorted(found) != sorted(targets):
        raise ConfigError(
            f'model.targets is {list(targets)}, but '
            f'train_dataloader.dataset has the targets {found}; name the '
            'same in both'
        )


def check_heads(
    segmentor: nn.Module, name: str, weights: dict[str, float]
) -> None:
    """Refuse weights of heads that the segmentor does not have.

    Args:
        segmentor: A ``UDAEncoderDecoder``.
        name: Config key of the weights.
        weights: Weights by head.

    Raises:
        ConfigError: A head is unknown.
    """
    heads = list(segmentor.heads())
    for head in weights:
        if head not in heads:
            raise ConfigError(
                f"model.{name}: the segmentor has no head '{head}' "
                f'(it has {heads})'
            )


def check_discriminator(
    discriminator: nn.Module, heads: Iterable[str], num_classes: int
) -> None:
    """Refuse a discriminator that does not fit the maps it judges.

    Args:
        discriminator: A ``MultiLevelDiscriminator``.
        heads: Heads with an adversarial loss.
        num_classes: Channels of the maps.

    Raises:
        ConfigError: A level is missing or would never be trained, or the
            number of input channels is another.
    """
    if discriminator.in_channels != num_classes:
        raise ConfigError(
            f'model.discriminator.in_channels is {discriminator.in_channels} '
            f'but the segmentor has {num_classes} classes; set both alike'
        )
    levels, heads = list(discriminator.levels), list(heads)
    if sorted(levels) != sorted(heads):
        raise ConfigError(
            f'model.discriminator.levels is {levels} but '
            f'model.adversarial_weights names {heads}; they must be the same'
        )


def check_image_sizes(
    discriminator: nn.Module, inputs: dict[str, Tensor]
) -> None:
    """Refuse images that are too small for a discriminator.

    Known before the first adversarial iteration, which may come late.

    Args:
        discriminator: Judges maps of the size of the images; the attribute
            ``min_side`` says how small they may be.
        inputs: Images (N, 3, H, W) by domain.

    Raises:
        ConfigError: A side is shorter than the discriminator allows.
    """
    smallest = getattr(discriminator, 'min_side', 1)
    for domain, images in inputs.items():
        height, width = images.shape[-2:]
        if min(height, width) < smallest:
            raise ConfigError(
                f"images of domain '{domain}' are {width}x{height} pixels, "
                f'the discriminator needs {smallest}x{smallest}: resize or '
                'crop them to more in the pipeline'
            )


def build_prior(config: dict | None, num_classes: int) -> nn.Module | None:
    """Build a class-ratio prior that fits the segmentor.

    Args:
        config: Config of a ``ClassRatioPrior``, or None.
        num_classes: Classes of the segmentor.

    Raises:
        ConfigError: The prior is of another number of classes.
    """
    if config is None:
        return None
    prior = MODELS.build(config)
    prior.check_num_classes(num_classes)
    return prior


def detach(logits: Logits) -> Logits:
    """The same logits without their graph."""
    return {name: values.detach() for name, values in logits.items()}
