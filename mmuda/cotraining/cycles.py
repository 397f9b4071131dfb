# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One cycle of self-training or of co-training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .accumulation import KEYS
from .options import CollaborationOptions, CycleOptions
from .selection_stages import Accumulation, SelectionStages
from .stage_configs import TargetLabels
from .stage_factory import StageFactory
from .stages import Stage, Step


@dataclass(frozen=True)
class Learner:
    """A model that is trained in cycles.

    Attributes:
        initial: Weights that its trainings start from.
        current: Weights that label next.
        accumulated: Folder of its images so far; None before the first cycle.
        name: Of its part of a cycle; empty where there is one model.
    """

    initial: Path
    current: Path
    accumulated: Path | None = None
    name: str = ''


@dataclass(frozen=True)
class Cycle:
    """Stages of one cycle.

    Attributes:
        stages: Makes them.
        options: Of all cycles of the kind.
        number: Of the cycle, from 0.
        seed: Of the sample and the trainings.
        name: Of the group of stages.
    """

    stages: StageFactory
    options: CycleOptions
    number: int
    seed: int
    name: str

    def label(self, learners: Sequence[Learner]) -> tuple[Stage, Step]:
        """Draw images, and let each model label them."""
        sample = self.stages.sample(self.name, self.options.sample, self.seed)
        labels = tuple(
            self._label(learner, sample.result) for learner in learners
        )
        return sample, labels

    def label_all(self, learner: Learner) -> Stage:
        """Let a model label all images."""
        return self._label(learner, None)

    def rank(self, learner: Learner, labels: Path, order: str) -> Stage:
        """Hand the best of a model's own images on."""
        accumulation = self._accumulation(learner.accumulated)
        return self._selections.rank(
            self.name, labels, order, self.options.keep, accumulation
        )

    def merge(self, labels: Sequence[Path], disagreement: str) -> Stage:
        """Complete each model's labels by the other's."""
        return self._selections.merge(self.name, labels, disagreement)

    def exchange(
        self,
        learners: Sequence[Learner],
        labels: Sequence[Path],
        options: CollaborationOptions,
    ) -> Step:
        """Each model receives images that the other has labelled."""
        parts = zip(learners, labels, reversed(labels), strict=True)
        return tuple(
            self._selections.exchange(
                self._name(learner),
                own,
                other,
                options,
                self._accumulation(learner.accumulated),
            )
            for learner, own, other in parts
        )

    def train(self, learner: Learner, select: Stage, label: Stage) -> Stage:
        """Train on the accumulated images.

        Args:
            learner: The model.
            select: Accumulated the images.
            label: Gave the thresholds that tell which classes are hard.
        """
        return self.stages.train(
            self._name(learner),
            self.stages.cycle,
            self.seed,
            learner.initial if self.options.restart else learner.current,
            TargetLabels(select.folder, select.folder / KEYS, label.result),
            self.options.changes,
        )

    def finish(
        self, learner: Learner, select: Stage, train: Stage
    ) -> tuple[list[Stage], Learner]:
        """Let the trained model label its accumulated images anew.

        Returns:
            Stages, none if this cycle does not label anew, and the learner
            of the next cycle.
        """
        learner = replace(
            learner, current=train.result, accumulated=select.folder
        )
        last = self.number == self.options.cycles - 1
        if last or self.number >= self.options.relabel:
            return [], learner
        relabel = self._label(learner, select.folder / KEYS, 'relabel')
        update = self._selections.update(
            self._name(learner),
            relabel.folder,
            self._accumulation(select.folder),
        )
        return [relabel, update], replace(learner, accumulated=update.folder)

    def _label(
        self, learner: Learner, keys: Path | None, step: str = 'label'
    ) -> Stage:
        rule = dict(
            type='ClassBalancedPortion',
            portion=self.options.portion_at(self.number),
            low=self.options.low,
            high=self.options.high,
        )
        return self.stages.label(
            self._name(learner),
            [learner.current],
            keys,
            lambda: rule,
            step,
            image_statistics=True,
            keep_scores=step == 'label' and self._merges,
        )

    @property
    def _merges(self) -> bool:
        """Whether labels are merged, which takes the scores of all pixels."""
        return self.number > 0 and getattr(self.options, 'merge', False)

    @property
    def _selections(self) -> SelectionStages:
        return SelectionStages(self.stages.work_dir)

    def _accumulation(self, previous: Path | None) -> Accumulation:
        rejected = getattr(self.options, 'order', None) == 'rejected'
        return Accumulation(
            self.number,
            self.options.accumulation,
            'rejected' if rejected else 'confidence',
            previous,
        )

    def _name(self, learner: Learner) -> str:
        return f'{self.name}/{learner.name}'.rstrip('/')
