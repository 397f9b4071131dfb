# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What is scheduled over a training in which heads teach each other."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

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
    def count(self, target: str, teacher: str, logits: Logits) -> None:
        """Count one batch.

        Args:
            target: Whose images they are.
            teacher: Head that the others are compared with.
            logits: (N, C, h, w) by head, the teacher among them.
        """
        num_classes = logits[teacher].shape[1]
        predicted = logits[teacher].argmax(dim=1).flatten()
        for head, values in logits.items():
            if head == teacher or values.shape != logits[teacher].shape:
                continue
            agreed = predicted[values.argmax(dim=1).flatten() == predicted]
            counts = torch.stack(
                [
                    torch.bincount(pixels, minlength=num_classes)
                    for pixels in (predicted, agreed)
                ]
            )
            key = (target, head)
            self.counts[key] = self.counts.get(key, 0) + counts

    def pop(self) -> dict[tuple[str, str], Tensor]:
        """All counts, which start anew, in an order that never changes."""
        counts = dict(sorted(self.counts.items()))
        self.counts.clear()
        return counts


class CollaborativeMixin:
    """A method whose heads teach each other on a schedule.

    ``CollaborativeConsistencyHook`` sets the phase before each iteration and
    logs and empties the counts of agreement.
    """

    needs_consistency_hook = True

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.phase = Phase()
        self.agreement = HeadAgreement()
