# Copyright (c) mmuda authors.
"""Stages of all kinds, as runs of tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from mmuda.translation.lab_folder import FINISHED as TRANSLATED
from mmuda.utils.names import MANIFEST

from .cotraining_options import CollaborationOptions
from .selection.accumulation import KEYS
from .stage import Stage
from .stage_configs import (
    TargetLabels,
    image_root,
    labelling_config,
    pretrained_files,
    source_leaves,
    training_config,
    with_changes,
)


@dataclass(frozen=True)
class StageFactory:
    """Makes stages of one procedure.

    Attributes:
        cycle: Config of the trainings on pseudo-labels, which says how to
            label, too.
        work_dir: Folder of everything.
        translated: Folders of translated images by number of the source's
            data set.
    """

    cycle: Config
    work_dir: Path
    translated: dict[int, Path]

    def translate(self, number: int, images: Path, seed: int) -> Stage:
        """Give a data set of the source the target's colours.

        Args:
            number: Of the data set.
            images: File that lists its images.
            seed: Of the pairs.
        """
        folder = self.translated[number]
        target = images.with_name('target.txt')
        statistics = images.with_name('target_statistics.json')
        arguments = [str(images), str(target), str(folder)]
        arguments += ['--seed', str(seed), '--statistics', str(statistics)]
        leaf = list(source_leaves(self.cycle))[number]
        root = image_root(leaf)
        if root is not None:
            arguments += ['--source-root', root]
        return Stage(
            f'translation/source_{number}',
            'translate_lab.py',
            tuple(arguments),
            folder / TRANSLATED,
            uses={'images': images, 'target': target, 'seed': seed},
        )

    def train(
        self,
        name: str,
        cfg: Config,
        seed: int,
        load_from: Path | None = None,
        target: TargetLabels | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> Stage:
        """Train a model.

        Args:
            name: Of the group of stages.
            cfg: What the user wrote.
            seed: Of all random numbers.
            load_from: Weights to start from.
            target: Pseudo-labels to train on.
            changes: Values of the config by dotted key.
        """
        folder = self.work_dir / name / 'training'
        file = self.work_dir / name / 'training.py'
        uses: dict[str, object] = {
            'seed': seed,
            'weights': load_from or pretrained_files(cfg),
        }
        # A config may write 40e3.
        iterations = int(with_changes(cfg, changes).train_cfg.max_iters)
        translated = [f / TRANSLATED for f in self.translated.values()]
        uses['translation'] = translated
        if target is not None:
            uses |= {
                'images': target.keys,
                'labels': target.folder / MANIFEST,
                'thresholds': target.thresholds,
            }
        return Stage(
            f'{name}/train',
            'train.py',
            (str(file), '--work-dir', str(folder), '--resume'),
            folder / f'iter_{iterations}.pth',
            lambda: training_config(
                cfg, seed, self.translated, load_from, target, changes
            ),
            file,
            uses,
            marker=folder / 'finished',
            work=iterations,
            fallback=load_from,
        )

    def label(
        self,
        name: str,
        weights: Sequence[Path],
        keys: Path | None,
        rule: Callable[[], dict],
        step: str = 'label',
        thresholds: Sequence[Path] = (),
        **options,
    ) -> Stage:
        """Label images of the target.

        Args:
            name: Of the group of stages.
            weights: One model, or an ensemble.
            keys: Which images; None for all.
            rule: Makes the selection rule.
            step: Name of the stage in the group.
            thresholds: Manifests that the rule is made from.
            **options: Further values of ``pseudo_labels``.
        """
        # Those that are made anew are of images that were selected.
        selected = keys if step == 'relabel' else None
        folder = self.work_dir / name / f'{step}s'
        file = self.work_dir / name / f'{step}ling.py'
        return Stage(
            f'{name}/{step}',
            'generate_pseudo_labels.py',
            (
                *(str(file), *map(str, weights), '--out', str(folder)),
                *('--show-dir', str(folder.with_name(f'{step}_pictures'))),
                *('--show-count', '8'),
            ),
            folder / MANIFEST,
            lambda: labelling_config(self.cycle, keys, rule(), **options),
            file,
            {
                'weights': list(weights),
                'images': keys,
                'thresholds': list(thresholds) or None,
            },
            distributed=True,
            fallback=selected and selected.with_name(MANIFEST),
        )

    def sample(self, name: str, number: int | None, seed: int) -> Stage:
        """Draw target images.

        Args:
            name: Of the group of stages.
            number: How many; None takes all.
            seed: Of the draw.
        """
        file = self.work_dir / name / 'sample.txt'
        config = self.work_dir / name / 'target.py'
        return Stage(
            f'{name}/sample',
            'select_pseudo_labels.py',
            (
                *('sample', str(config)),
                *('--number', str(number or 'all'), '--seed', str(seed)),
                *('--out', str(file)),
            ),
            file,
            lambda: self.cycle,
            config,
            {'seed': seed},
        )


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
        words = (
            *('--cycle', str(self.cycle), '--mode', self.mode),
            *('--better', self.better),
        )
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
        assert previous is not None, 'labels that are made anew were selected'
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
        uses: dict[str, object] = {
            'labels': [part / MANIFEST for part in labels]
        }
        if accumulation.previous is not None:
            uses['previous'] = accumulation.previous / MANIFEST
        return Stage(
            f'{name}/{step}',
            TOOL,
            (*command, *accumulation.arguments(), '--out', str(folder)),
            folder / MANIFEST,
            uses=uses,
        )
