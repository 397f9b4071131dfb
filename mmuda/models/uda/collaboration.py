# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What is scheduled over a training in which heads teach each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmuda.models.losses import valid_at
from mmuda.utils.errors import ConfigError

from .domains import Logits


@dataclass(frozen=True)
class Phase:
    """What takes part in an iteration.

    Attributes:
        distils: Heads teach the agnostic head (and the ensemble the others).
        rectifies: Pseudo-labels on which heads disagree weigh less.
        transfers_style: Images of one target are shown in the style of
            others.
    """

    distils: bool = True
    rectifies: bool = True
    transfers_style: bool = True


@dataclass
class HeadAgreement:
    """Counts on how many pixels other heads predict what a teacher does.

    Attributes:
        counts: By target and head, (2, C) pixels by the class that the
            teacher predicts: all, and those where the head agrees.
    """

    counts: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def count(
        self,
        target: str,
        teacher: str,
        logits: Logits,
        valid: Tensor | None = None,
        align_corners: bool = False,
    ) -> None:
        """Count one batch.

        Args:
            target: Whose images they are.
            teacher: Head that the others are compared with.
            logits: (N, C, h, w) by head, the teacher among them.
            valid: (N, H, W) bool, False on padding; None if there is none.
            align_corners: How logits are resized to the images.
        """
        num_classes = logits[teacher].shape[1]
        predicted = logits[teacher].argmax(dim=1).flatten()
        counted = torch.ones_like(predicted)
        if valid is not None:
            size = logits[teacher].shape[2:]
            cells = valid_at(valid, size, align_corners)
            counted = cells.flatten().long()
        for head, values in logits.items():
            if head == teacher or values.shape != logits[teacher].shape:
                continue
            agreed = values.argmax(dim=1).flatten() == predicted
            # Neither bincount nor a mask, which would wait for the GPU.
            split = predicted.new_zeros(2 * num_classes).scatter_add_(
                0,
                predicted + num_classes * agreed,
                counted,
            )
            others, same = split.view(2, num_classes)
            counts = torch.stack([others + same, same])
            key = (target, head)
            self.counts[key] = self.counts.get(key, 0) + counts

    def pop(self) -> dict[tuple[str, str], Tensor]:
        """All counts, which start anew, in an order that never changes."""
        counts = dict(sorted(self.counts.items()))
        self.counts.clear()
        return counts


def describe_agreement(
    counts: Tensor, classes: tuple[str, ...]
) -> tuple[float, str]:
    """Agreement of two heads in per cent, and as a line of text.

    Args:
        counts: (2, C) pixels by the class that the teacher predicts: all, and
            those where the other head agrees.
        classes: Names of the classes.

    Returns:
        Share of all pixels, and text with the share of each class that the
        teacher predicts somewhere.
    """
    pixels, agreed = counts.tolist()
    overall = 100 * sum(agreed) / max(1, sum(pixels))
    parts = [
        f'{name} {100 * same / total:.0f}'
        for name, total, same in zip(classes, pixels, agreed, strict=True)
        if total
    ]
    return overall, f'{overall:.1f} % ({", ".join(parts)})'


def require_main_head(key: str, weights: Mapping[str, float]) -> None:
    """Refuse weights by which the head that predicts would learn nothing.

    Args:
        key: Config key of the weights.
        weights: Weights by head.

    Raises:
        ConfigError: That of the main head is missing or not positive.
    """
    if not weights.get('decode', 0) > 0:
        raise ConfigError(
            f"model.{key} needs a positive weight of 'decode', the head that "
            f'predicts; it is {dict(weights)}'
        )


class CollaborativeMixin:
    """A method whose heads teach each other on a schedule.

    ``CollaborativeConsistencyHook`` sets the phase before each iteration and
    logs and empties the counts of agreement.

    Attributes:
        phases: Parts of a :class:`Phase` that the method asks for.
        learns_by_distillation_only: Whether the network or head that
            predicts has no other loss.
    """

    needs_consistency_hook = True
    phases = ('distils', 'rectifies', 'transfers_style')
    learns_by_distillation_only = False

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.phase = Phase()
        self.agreement = HeadAgreement()
