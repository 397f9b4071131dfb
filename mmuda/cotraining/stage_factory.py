# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The stages of the procedure, each as a run of a tool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from mmuda.datasets.lab_folder import FINISHED as TRANSLATED
from mmuda.datasets.pseudo_label_manifest import MANIFEST

from .accumulation import KEYS
from .options import CollaborationOptions
from .stage_configs import (
    TargetLabels,
    image_root,
    labelling_config,
    source_leaves,
    training_config,
)
from .stages import Stage


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
        uses = {'seed': seed, 'weights': load_from}
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
            folder / f'iter_{cfg.train_cfg.max_iters}.pth',
            lambda: training_config(
                cfg, seed, self.translated, load_from, target, changes
            ),
            file,
            uses,
            marker=folder / 'finished',
            work=cfg.train_cfg.max_iters,
            fallback=load_from,
        )

    def label(
        self,
        name: str,
        weights: Sequence[Path],
        keys: Path | None,
        rule: Callable[[], dict],
        step: str = 'label',
        **options,
    ) -> Stage:
        """Label images of the target.

        Args:
            name: Of the group of stages.
            weights: One model, or an ensemble.
            keys: Which images; None for all.
            rule: Makes the selection rule.
            step: Name of the stage in the group.
            **options: Further values of ``pseudo_labels``.
        """
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
            {'weights': list(weights), 'images': keys},
            distributed=True,
            fallback=keys.with_name(MANIFEST) if step == 'relabel' else None,
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

    def rank(
        self, name: str, labels: Path, order: str, arguments: Sequence[str]
    ) -> Stage:
        """Keep the best of a model's own images."""
        return self._select(
            name, ('rank', str(labels), '--by', order), arguments, [labels]
        )

    def exchange(
        self,
        name: str,
        receiver: Path,
        giver: Path,
        options: CollaborationOptions,
        arguments: Sequence[str],
    ) -> Stage:
        """Hand images of one model to the other."""
        command = (
            *('exchange', str(giver), '--receiver', str(receiver)),
            *('--giver', 'a' if name.endswith('/b') else 'b'),
            *('--min-pixels', str(options.min_pixels)),
            *('--control', str(options.control), '--by', options.order),
            *(('--own',) if options.own else ()),
        )
        return self._select(name, command, arguments, [giver, receiver])

    def update(
        self, name: str, labels: Path, previous: Path, cycle: int
    ) -> Stage:
        """Take labels that were made anew where they are better.

        Args:
            name: Of the group of stages.
            labels: Made anew.
            previous: Folder of the images so far.
            cycle: Number of the cycle.
        """
        arguments = ('--previous', str(previous), '--cycle', str(cycle))
        stage = self._select(
            name, ('update', str(labels)), arguments, [labels], 'update'
        )
        uses = {**stage.uses, 'images': previous / KEYS}
        return replace(stage, uses=uses, fallback=previous / MANIFEST)

    def merge(self, name: str, labels: Sequence[Path], rule: str) -> Stage:
        """Complete each model's labels by the other's."""
        folder = self.work_dir / name / 'merged'
        return Stage(
            f'{name}/merge',
            'select_pseudo_labels.py',
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
        arguments: Sequence[str],
        labels: Sequence[Path],
        step: str = 'select',
    ) -> Stage:
        folders = {'select': 'selected', 'update': 'updated'}
        folder = self.work_dir / name / folders[step]
        return Stage(
            f'{name}/{step}',
            'select_pseudo_labels.py',
            (*command, *arguments, '--out', str(folder)),
            folder / MANIFEST,
            uses={'labels': [part / MANIFEST for part in labels]},
        )
