# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a loss looks like that rides on any method."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from torch import Tensor, nn

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.segmentors import Prediction
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

if TYPE_CHECKING:
    from mmuda.models.uda import BaseUDA

Losses = dict[str, Tensor]


class Term(nn.Module):
    """A loss beside a method's own, ``model=dict(..., terms=[dict(...)])``.

    It has up to three seams, of which it defines those that it needs: the
    method's pass on the source, its pass on each target, whose graph and
    logits it shares, and passes of its own after the method's. While a method
    warms up there is the source alone.

    Attributes:
        needs_features: Whether predictions have to come with features.
    """

    needs_features = False

    def attach(self, model: 'BaseUDA') -> None:
        """Get to know the method, once.

        Args:
            model: The method, with its segmentor; the place to add a
                follower.

        Raises:
            ConfigError: The term does not fit it.
        """

    def on_source(
        self,
        model: 'BaseUDA',
        prediction: Prediction,
        full: dict[str, Tensor],
        source: DomainBatch,
    ) -> Losses:
        """Losses in the method's pass on the source.

        Args:
            model: The method.
            prediction: Logits (N, C, h, w) by head, with their graph.
            full: The same at the size of the images, (N, C, H, W).
            source: The images, and their labels.

        Returns:
            Weighted losses by name.
        """
        return {}

    def on_target(
        self,
        model: 'BaseUDA',
        prediction: Prediction,
        full: dict[str, Tensor],
        target: DomainBatch,
    ) -> Losses:
        """Losses in the method's pass on a target; as :meth:`on_source`."""
        return {}

    def extra(
        self, model: 'BaseUDA', batch: Batch
    ) -> Iterator[tuple[str, Losses]]:
        """Losses with passes of their own, after the method's.

        Args:
            model: The method.
            batch: Images of all domains.

        Yields:
            As of ``BaseUDA.training_step``.
        """
        yield from ()

    @classmethod
    def seams(cls) -> list[str]:
        """Names of the seams that the term uses."""
        return [
            name
            for name in ('on_source', 'on_target', 'extra')
            if getattr(cls, name) is not getattr(Term, name)
        ]


def add_term(model: 'BaseUDA', name: str, config: dict) -> None:
    """Let a loss ride on a method.

    Args:
        model: The method.
        name: Of the child that it becomes.
        config: Config of a ``Term``.

    Raises:
        ConfigError: It is no term, or rides where the method has no seam.
    """
    term = MODELS.build(config)
    if not isinstance(term, Term):
        raise ConfigError(
            f'model.terms: {type(term).__name__} is no term; name a class '
            "derived from mmuda's Term"
        )
    for seam in term.seams():
        if seam not in model.seams:
            raise ConfigError(
                f'model.terms: {type(term).__name__} needs {seam!r}, which '
                f'{type(model).__name__} does not have (it has '
                f'{list(model.seams)})'
            )
    model.add_module(name, term)
    model.terms.append(term)
    term.attach(model)


def add_deprecated_term(model: 'BaseUDA', name: str, config: dict) -> None:
    """Let a loss ride on a method that an older keyword asks for.

    Args:
        model: The method.
        name: The keyword.
        config: Config of the ``Term``.
    """
    print_log(
        f'model.{name} is deprecated; write model.terms=[{config}]',
        'current',
        logging.WARNING,
    )
    add_term(model, name, config)
