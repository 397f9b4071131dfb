# Copyright (c) mmuda authors.
"""What a loss looks like that rides on any method."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

from mmengine.logging import print_log
from torch import Tensor, nn

from mmuda.models.batch import Batch, DomainBatch
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import SOURCE

if TYPE_CHECKING:
    from mmuda.models.segmentors import Logits, Prediction
    from mmuda.models.uda import BaseUDA

Losses = dict[str, Tensor]


class Term(nn.Module):
    """A loss beside a method's own, ``model=dict(..., terms=[dict(...)])``.

    It has up to three seams, of which it defines those that it needs: the
    method's pass on the source, its pass on each target, whose graph and
    logits it shares, and passes of its own after the method's. While a method
    warms up there is the source alone.

    It trains nothing itself: a module with weights of its own becomes a child
    of the method in :meth:`attach`, where it has an optimizer and, with
    several processes, is synchronised.

    Attributes:
        allows_padding: Whether its losses leave out the padding of images of
            unequal size; others refuse such batches.
        needs_features: Whether predictions have to come with features.
        learns_targets: Whether its own passes, if it has some, learn from
            targets.
    """

    allows_padding = False
    needs_features = False
    learns_targets = True

    def attach(self, model: 'BaseUDA') -> None:
        """Get to know the method, once.

        Args:
            model: The method, with its segmentor and its targets, but not
                yet what only its own class has; the place to add a follower.

        Raises:
            ConfigError: The term does not fit it.
        """

    def on_source(
        self,
        model: 'BaseUDA',
        prediction: 'Prediction',
        full: 'Logits',
        source: DomainBatch,
    ) -> Losses:
        """Losses in the method's pass on the source.

        Args:
            model: The method.
            prediction: Logits (N, C, h, w) by head, with their graph.
            full: The same at the size of the images, (N, C, H, W); each is
                computed when it is first asked for.
            source: The images, and their labels.

        Returns:
            Weighted losses by name.
        """
        return {}

    def on_target(
        self,
        model: 'BaseUDA',
        prediction: 'Prediction',
        full: 'Logits',
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


def add_losses(
    model: 'BaseUDA',
    losses: Losses,
    prediction: 'Prediction',
    full: 'Logits',
    domain: DomainBatch,
) -> None:
    """Put the losses of a method's terms in a pass beside its own, in place.

    Of equal names both count; the later one gets a number.

    Args:
        model: The method.
        losses: Its own by name.
        prediction: As of :meth:`Term.on_source`.
        full: As of :meth:`Term.on_source`.
        domain: The source or a target.
    """
    for term in model.terms:
        seam = term.on_source if domain.name == SOURCE else term.on_target
        for name, value in seam(model, prediction, full, domain).items():
            names = (f'{name}_{number}' for number in count(2))
            free = next(n for n in chain([name], names) if n not in losses)
            losses[free] = value


def add_terms(model: 'BaseUDA', configs: Sequence[dict]) -> None:
    """Let losses ride on a method, as its children ``term_<number>``.

    Args:
        model: The method.
        configs: Configs of ``Term``.

    Raises:
        ConfigError: They are no list of configs; see also :func:`add_term`.
    """
    sound = isinstance(configs, list | tuple) and all(
        isinstance(config, Mapping) and 'type' in config for config in configs
    )
    if not sound:
        raise ConfigError(
            "model.terms must be a list of configs, [dict(type='Entropy', "
            f'...), ...], not {configs!r}'
        )
    for number, config in enumerate(configs):
        add_term(model, f'term_{number}', config)


def add_term(model: 'BaseUDA', name: str, config: dict) -> None:
    """Let a loss ride on a method.

    Args:
        model: The method.
        name: Of the child that it becomes.
        config: Config of a ``Term``.

    Raises:
        ConfigError: It is no term, has no loss, rides where the method has no
            seam, or would be trained itself.
    """
    term = MODELS.build(config)
    if not isinstance(term, Term):
        raise ConfigError(
            f'model.terms: {type(term).__name__} is no term; name a class '
            "derived from mmuda's Term"
        )
    if not term.seams():
        raise ConfigError(
            f'model.terms: {type(term).__name__} has no loss; it must define '
            'on_source, on_target or extra'
        )
    for seam in term.seams():
        if seam not in model.seams:
            raise ConfigError(
                f'model.terms: {type(term).__name__} needs {seam!r}, which '
                f'{type(model).__name__} does not have (it has '
                f'{list(model.seams)})'
            )
    if any(weight.requires_grad for weight in term.parameters()):
        raise ConfigError(
            f'model.terms: {type(term).__name__} holds weights that are '
            'trained, which no optimizer and no other process would know; '
            'add their module to the method in attach()'
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
