# Copyright (c) mmuda authors.
"""Predicting each target with its own head."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmseg.models.segmentors.base import BaseSegmentor
from torch import nn

from mmuda.utils.errors import ConfigError
from mmuda.utils.names import head_name


def check_own_heads(model: nn.Module, targets: Sequence[str]) -> None:
    """Refuse targets that the model has no main head of.

    Args:
        model: Any model; its segmentors are those with a ``predict_head``.
        targets: Names of the targets.

    Raises:
        ConfigError: No segmentor has heads to choose from, or one has none
            of a target.
    """
    segmentors = _segmentors(model)
    if not segmentors:
        raise ConfigError(
            'own_heads: the model has no heads of targets; take a '
            'MultiHeadEncoderDecoder, or leave own_heads out'
        )
    for segmentor in segmentors:
        heads = segmentor.heads()
        for target in targets:
            if head_name(target) not in heads:
                raise ConfigError(
                    f"own_heads: the model has no head '{head_name(target)}' "
                    f'(it has {", ".join(heads)}); the prefix of each '
                    'evaluator must be the name of a target'
                )


@contextmanager
def predicting_by(model: nn.Module, head: str | None) -> Iterator[None]:
    """Predict by another head inside the block.

    Args:
        model: A model, in whatever wrappers; its teacher and the members of
            an ensemble are switched, too.
        head: Name of a main head; None changes nothing.

    Raises:
        ConfigError: No segmentor has heads to choose from, or not this one.
    """
    segmentors = [] if head is None else _segmentors(model)
    if head is not None and not segmentors:
        raise ConfigError(
            f"head '{head}': the model predicts with its main head only; "
            'take a MultiHeadEncoderDecoder'
        )
    previous = [segmentor.predict_head for segmentor in segmentors]
    for segmentor in segmentors:
        segmentor.predict_head = head
    try:
        yield
    finally:
        for segmentor, name in zip(segmentors, previous, strict=True):
            segmentor.predict_head = name


def _segmentors(model: nn.Module) -> list[BaseSegmentor]:
    return [m for m in model.modules() if hasattr(m, 'predict_head')]
