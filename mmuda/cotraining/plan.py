# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""All stages of the procedure in their order.

Source: Gómez, Villalonga and López, Co-Training for Unsupervised Domain
Adaptation of Semantic Segmentation Models, Sensors 2023, algorithms 1 to 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmengine.config import Config

from .cycles import Cycle, Learner
from .image_statistics import LabelledImages, minimum_thresholds
from .options import CoTrainingOptions, CycleOptions
from .stage_configs import TargetLabels, source_leaves
from .stage_factory import StageFactory
from .stages import Step


@dataclass(frozen=True)
class Procedure:
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
            renewals, learners = zip(
                *(
                    cycle.finish(learner, select, train)
                    for (learner, select, _), train in zip(
                        parts, trains, strict=True
                    )
                ),
                strict=True,
            )
            steps += list(zip(*renewals, strict=True))
        return steps, list(learners), labels

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
