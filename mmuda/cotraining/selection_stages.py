# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Stages that choose among pseudo-labels, as runs of a tool."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmuda.datasets.pseudo_label_manifest import MANIFEST

from .accumulation import KEYS
from .options import CollaborationOptions
from .stages import Stage

TOOL = 'select_pseudo_labels.py'


@dataclass(frozen=True)
class Accumulation:
    """How images are added to those of earlier cycles.

    Attributes:
        cycle: Number of the cycle.
        mode: Of the options.
        better: Which label of an image is the better one.
        previous: Folder of the images so far; None if there are none.
    """

    cycle: int
    mode: str
    better: str = 'confidence'
    previous: Path | None = None

    def arguments(self) -> tuple[str, ...]:
        """Arguments of the tool."""
        words = ('--cycle', str(self.cycle), '--mode', self.mode)
        words += ('--better', self.better)
        if self.previous is None:
            return words
        return (*words, '--previous', str(self.previous))


@dataclass(frozen=True)
class SelectionStages:
    """Makes stages of one procedure.

    Attributes:
        work_dir: Folder of everything.
    """

    work_dir: Path

    def rank(
        self,
        name: str,
        labels: Path,
        order: str,
        number: int,
        accumulation: Accumulation,
    ) -> Stage:
        """Keep the best of a model's own images.

        Args:
            name: Of the group of stages.
            labels: The model's.
            order: How they are ranked.
            number: How many are kept.
            accumulation: With earlier cycles.
        """
        command = ('rank', str(labels), '--by', order)
        return self._select(
            name, (*command, '--number', str(number)), accumulation, [labels]
        )

    def exchange(
        self,
        name: str,
        receiver: Path,
        giver: Path,
        options: CollaborationOptions,
        accumulation: Accumulation,
    ) -> Stage:
        """Hand images of one model to the other.

        Args:
            name: Of the group of stages; ends with the receiver's.
            receiver: Its labels.
            giver: Those of the other.
            options: Say which images.
            accumulation: With earlier cycles.
        """
        command = (
            *('exchange', str(giver), '--receiver', str(receiver)),
            *('--giver', 'a' if name.endswith('/b') else 'b'),
            *('--min-pixels', str(options.min_pixels)),
            *('--control', str(options.control), '--by', options.order),
            *('--number', str(options.keep)),
            *(('--own',) if options.own else ()),
        )
        return self._select(name, command, accumulation, [giver, receiver])

    def update(
        self, name: str, labels: Path, accumulation: Accumulation
    ) -> Stage:
        """Take labels that were made anew where they are better.

        Args:
            name: Of the group of stages.
            labels: Made anew.
            accumulation: With the images so far.
        """
        stage = self._select(
            name, ('update', str(labels)), accumulation, [labels], 'update'
        )
        previous = accumulation.previous
        uses = {**stage.uses, 'images': previous / KEYS}
        return replace(stage, uses=uses, fallback=previous / MANIFEST)

    def merge(self, name: str, labels: Sequence[Path], rule: str) -> Stage:
        """Complete each model's labels by the other's.

        Args:
            name: Of the group of stages.
            labels: Of both models.
            rule: What becomes of pixels that they label differently.
        """
        folder = self.work_dir / name / 'merged'
        return Stage(
            f'{name}/merge',
            TOOL,
            (
                *('merge', *map(str, labels), '--disagreement', rule),
                *('--out', str(folder)),
            ),
            # written last
            folder / 'b' / MANIFEST,
            uses={'labels': [part / MANIFEST for part in labels]},
        )

    def _select(
        self,
        name: str,
        command: Sequence[str],
        accumulation: Accumulation,
        labels: Sequence[Path],
        step: str = 'select',
    ) -> Stage:
        folders = {'select': 'selected', 'update': 'updated'}
        folder = self.work_dir / name / folders[step]
        uses = {'labels': [part / MANIFEST for part in labels]}
        if accumulation.previous is not None:
            uses['previous'] = accumulation.previous / MANIFEST
        return Stage(
            f'{name}/{step}',
            TOOL,
            (*command, *accumulation.arguments(), '--out', str(folder)),
            folder / MANIFEST,
            uses=uses,
        )
