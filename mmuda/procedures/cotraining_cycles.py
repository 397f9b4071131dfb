# Copyright (c) mmuda authors.
"""Co-training: two models that teach each other.

Source: Gómez, Villalonga and López, Co-Training for Unsupervised Domain
Adaptation of Semantic Segmentation Models, Sensors 2023, algorithms 1 to 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmengine.config import Config

from .cotraining_options import (
    CollaborationOptions,
    CoTrainingOptions,
    CycleOptions,
)
from .selection.accumulation import KEYS
from .selection.labelled_images import LabelledImages, minimum_thresholds
from .stage import Measured, Stage, Step
from .stage_configs import TargetLabels, source_leaves
from .stage_factory import Accumulation, SelectionStages, StageFactory


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


@dataclass(frozen=True)
class CoTraining:
    """Algorithm 3: from the source to the final model.

    Attributes:
        options: Of the procedure.
        baseline: Config of the first training, on the source alone.
        cycle: Config of the trainings on source and pseudo-labels; it also
            says how to label.
        final: Config of the last training.
        work_dir: Folder of everything.
        given: Checkpoint that takes the place of the first training.
    """

    options: CoTrainingOptions
    baseline: Config
    cycle: Config
    final: Config
    work_dir: Path
    given: Path | None = None
    stages: StageFactory = field(init=False)

    def __post_init__(self) -> None:
        folder, translated = self.work_dir / 'translation', {}
        if self.options.translate:
            translated = {
                number: folder / f'source_{number}'
                for number, _ in enumerate(source_leaves(self.cycle))
            }
        stages = StageFactory(self.cycle, self.work_dir, translated)
        object.__setattr__(self, 'stages', stages)

    def steps(self) -> list[Step]:
        """All steps; the stages of one do not depend on each other."""
        translations = [
            self.stages.translate(
                number, folder.with_suffix('.txt'), self.options.seed
            )
            for number, folder in self.stages.translated.items()
        ]
        initial, first = self._baseline()
        learning, models = self._self_training(initial)
        teaching, learners, labels = self._collaboration(models)
        return [
            *((stage,) for stage in translations),
            *first,
            *learning,
            *teaching,
            *self._final(initial, learners, labels),
        ]

    def measured(self) -> Measured:
        """What its cost is measured with."""
        sources = tuple(source_leaves(self.cycle))
        return Measured(self.baseline, self.cycle, sources)

    def config_of(self, stage: Stage) -> Config:
        """Config of a training."""
        configs = {'baseline': self.baseline, 'final': self.final}
        return configs.get(stage.name.split('/')[0], self.cycle)

    def images_of(self, stage: Stage) -> int | None:
        """Images that a stage labels or merges at most; None for all."""
        group = stage.name.split('/')[0]
        if group == 'final':
            return None
        options: CycleOptions = getattr(self.options, group)
        if not stage.name.endswith('relabel'):
            return options.sample
        cycle = int(stage.name.split('cycle_')[1].split('/')[0])
        return options.keep * (cycle + 1)

    def _baseline(self) -> tuple[Path, list[Step]]:
        if self.given is not None:
            return self.given, []
        train = self.stages.train('baseline', self.baseline, self.options.seed)
        return train.result, [(train,)]

    def _self_training(self, initial: Path) -> tuple[list[Step], list[Path]]:
        """Algorithm 1: two of the models of all cycles go on."""
        options = self.options.self_training
        steps: list[Step] = []
        learner, trained = Learner(initial, initial), []
        for cycle in self._cycles('self_training', options):
            sample, labels = cycle.label([learner])
            select = cycle.rank(learner, labels[0].folder, options.order)
            train = cycle.train(learner, select, labels[0])
            steps += [(sample,), labels, (select,), (train,)]
            renewed, learner = cycle.finish(learner, select, train)
            steps += [(stage,) for stage in renewed]
            trained.append(train.result)
        return steps, [trained[number] for number in options.model_cycles()]

    def _collaboration(
        self, models: list[Path]
    ) -> tuple[list[Step], list[Learner], Step]:
        """Algorithm 2 in each cycle: the models exchange images."""
        options = self.options.collaboration
        steps: list[Step] = []
        learners = [
            Learner(model, model, name=name)
            for model, name in zip(models, 'ab', strict=True)
        ]
        for cycle in self._cycles('collaboration', options):
            sample, labels = cycle.label(learners)
            steps += [(sample,), labels]
            folders = [label.folder for label in labels]
            if options.merge and cycle.number > 0:
                merge = cycle.merge(folders, options.disagreement)
                steps.append((merge,))
                folders = [merge.folder.with_name(name) for name in 'ab']
            selects = cycle.exchange(learners, folders, options)
            parts = list(zip(learners, selects, labels, strict=True))
            trains = tuple(cycle.train(*part) for part in parts)
            steps += [selects, trains]
            finished = [
                cycle.finish(learner, select, train)
                for (learner, select, _), train in zip(
                    parts, trains, strict=True
                )
            ]
            renewals = [renewed for renewed, _ in finished]
            learners = [learner for _, learner in finished]
            steps += list(zip(*renewals, strict=True))
        return steps, learners, labels

    def _cycles(self, name: str, options: CycleOptions) -> Iterator[Cycle]:
        for number in range(options.cycles):
            seed = self.options.seed + number
            folder = f'{name}/cycle_{number}'
            yield Cycle(self.stages, options, number, seed, folder)

    def _final(
        self, initial: Path, learners: list[Learner], labels: Step
    ) -> list[Step]:
        """Labels of all images by both models, and the last training."""
        steps: list[Step] = []
        if self.options.final_thresholds == 'anew':
            *_, cycle = self._cycles('final', self.options.collaboration)
            labels = tuple(
                replace(cycle, name='final').label_all(learner)
                for learner in learners
            )
            steps.append(labels)
        folders = [label.folder for label in labels]
        label = self.stages.label(
            'final',
            [learner.current for learner in learners],
            None,
            lambda: _least_thresholds(folders),
            thresholds=[label.result for label in labels],
            combination='max',
        )
        train = self.stages.train(
            'final',
            self.final,
            self.options.seed,
            initial,
            TargetLabels(label.folder),
        )
        return [*steps, (label,), (train,)]


def _least_thresholds(folders: Sequence[Path]) -> dict:
    first, second = map(LabelledImages.read, folders)
    thresholds = minimum_thresholds(first, second)
    return dict(type='FixedThresholds', thresholds=thresholds)
