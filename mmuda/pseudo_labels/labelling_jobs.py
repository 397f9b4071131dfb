# Copyright (c) mmuda authors.
"""One folder of pseudo-labels: finished, to be continued, or another's."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from torch import nn

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
    label_path,
    soft_label_path,
)
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.models.players import unwrap
from mmuda.registry import DATASETS
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write, require_writable_folder
from mmuda.utils.locks import LOCK
from mmuda.utils.names import ACCURACY, MANIFEST

from .image_statistics import STATISTICS
from .labeler import LABEL_FREE, PseudoLabeler, dataset_keys
from .labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
    ground_truth_of,
)
from .labelling_report import Accuracy, measure_accuracy
from .predictor import EgoMask
from .second_pass import FOLDER, Report, Spool, score_path


@dataclass
class LabellingJob:
    """What is labelled, how, and where the labels go.

    Attributes:
        options: How labels are made.
        config: Config of the data set, or several, with the pipeline of the
            options.
        root: Folder of the labels.
        about: ``config``, ``checkpoints`` and ``domain`` for the manifest.
        report: Called with the part of the work, images done and all images.
        show_dir: Where to draw some images; None draws none.
        show_count: How many.
    """

    options: PseudoLabelOptions
    config: dict | list
    root: Path
    about: dict
    report: Report
    show_dir: Path | None = None
    show_count: int = 20
    dataset: SegmentationDataset = field(init=False)

    def __post_init__(self) -> None:
        self.dataset = build_images(self.config)
        # Built now, so that a missing label is known before any work.
        folder = self.options.ground_truth
        self._labelled = None
        if folder:
            try:
                self._labelled = build_images(
                    ground_truth_of(self.config, folder)
                )
            except DataError as error:
                place = f"pseudo_labels.ground_truth='{folder}'"
                raise DataError(
                    f'{place} (None measures nothing): {error}'
                ) from None
        classes = self.dataset.metainfo['classes']
        self.options.build_rule(classes).check(len(classes))
        EgoMask(self.options.ego_mask)
        self._refuse_image_folders()
        if self.show_dir is not None:
            require_writable_folder(self.show_dir, '--show-dir')

    def _refuse_image_folders(self) -> None:
        """Labels of PNG images have the names of the images themselves."""
        root = self.root.resolve()
        for part in getattr(self.dataset, 'datasets', [self.dataset]):
            for folder in part.data_prefix.values():
                images = Path(folder).resolve()
                if root == images or images in root.parents:
                    raise ConfigError(
                        f"'{self.root}' lies in the data folder '{folder}'; "
                        'write pseudo-labels to another folder'
                    )

    def finished(self) -> PseudoLabelManifest | None:
        """The manifest, if the folder is finished and no label is lost."""
        if not (self.root / MANIFEST).is_file():
            return None
        manifest = PseudoLabelManifest.read(self.root)
        keys = dataset_keys(self.dataset)
        files = [label_path(self.root, key) for key in keys]
        if manifest.options.get('image_statistics'):
            files.append(self.root / STATISTICS)
        if not all(file.is_file() for file in files):
            return None
        # Left by a process that was killed when all was done.
        if is_main_process():
            Spool(self.root).remove()
        return manifest

    def is_foreign(self) -> bool:
        """Whether the folder holds files, but none that labelling wrote."""
        if not self.root.is_dir() or (self.root / MANIFEST).is_file():
            return False
        names = {path.name for path in self.root.iterdir()} - {LOCK}
        return bool(names) and FOLDER not in names

    def differences(self, manifest: PseudoLabelManifest) -> list[str]:
        """What finished labels were made with that this job would change.

        Args:
            manifest: Of the finished labels.
        """
        expected = dict(
            classes=self.dataset.metainfo['classes'],
            keys_sha256=keys_digest(dataset_keys(self.dataset)),
            rule=self.options.rule,
            options=self.options.saved(),
            checkpoints=self.about['checkpoints'],
            domain=self.about['domain'],
        )
        return [
            name
            for name, value in expected.items()
            if _to_json(getattr(manifest, name)) != _to_json(value)
        ]

    def run(self, model: nn.Module) -> PseudoLabelManifest:
        """Label all images, or what a stopped run left.

        All processes call it; finished labels are replaced.

        Args:
            model: Predicts; it is put in evaluation mode.

        Returns:
            The manifest, in all processes.
        """
        self._check_classes(model)
        # All processes have looked at the folder before it changes.
        barrier()
        if is_main_process() and (self.root / MANIFEST).is_file():
            self._clear()
        barrier()
        labeler = PseudoLabeler(
            self.options.predictor(model),
            self.options,
            self.report,
            self.show_dir,
            self.show_count,
        )
        return labeler.run(self.dataset, self.root, **self.about)

    def _check_classes(self, model: nn.Module) -> None:
        model, classes = unwrap(model), self.dataset.metainfo['classes']
        # An ensemble has the output channels only.
        predicted = getattr(model, 'num_classes', model.out_channels)
        if predicted != len(classes):
            raise ConfigError(
                f'the model has {predicted} classes, the data to label '
                f'{len(classes)} ({", ".join(classes)}); make num_classes of '
                'the heads and label_set of the target agree'
            )
        files = [about['file'] for about in self.about['checkpoints']]
        require_trained_classes(
            getattr(model, 'trained_classes', None),
            classes,
            ', '.join(files) or 'the network',
            'data to label',
        )

    def _clear(self) -> None:
        """Make a finished folder an unfinished one.

        Probabilities that are not asked for any more would be taken for new
        ones. Files of other names, such as pictures, are not ours to remove.
        """
        for name in (MANIFEST, ACCURACY, STATISTICS, LABEL_FREE):
            (self.root / name).unlink(missing_ok=True)
        for key in dataset_keys(self.dataset):
            for path in (label_path, soft_label_path, score_path):
                path(self.root, key).unlink(missing_ok=True)

    def measure(self) -> Accuracy | None:
        """Compare with true labels, and save that, if they are configured.

        Returns:
            Counts of all processes; None without true labels.
        """
        if self._labelled is None:
            return None
        accuracy = measure_accuracy(
            self.root, self._labelled, exchange_device()
        )
        if is_main_process():
            classes = self.dataset.metainfo['classes']
            columns = zip(
                classes, accuracy.precision, accuracy.recall, strict=True
            )
            content = dict(
                overall=_or_none(accuracy.overall),
                classes={
                    name: dict(precision=_or_none(p), recall=_or_none(r))
                    for name, p, r in columns
                },
            )
            atomic_write(self.root / ACCURACY, json.dumps(content, indent=2))
        return accuracy


def check_labelling(cfg: Config, root: Path, domain: str = 'target') -> None:
    """Find what is wrong with labelling before hours of training.

    Args:
        cfg: A training config with ``pseudo_labels``.
        root: Where the labels will go.
        domain: Name of the target.

    Raises:
        ConfigError: An option, the rule or the pipeline is wrong.
        DataError: Images, or true labels that are asked for, are missing.
    """
    options = PseudoLabelOptions.from_config(cfg)
    config = dataset_to_label(cfg, options.pipeline, domain)
    about = dict(config='', checkpoints=(), domain=domain)
    LabellingJob(options, config, root, about, report=lambda *_: None)


def exchange_device() -> str:
    """Device whose tensors the processes can exchange."""
    nccl = dist.is_initialized() and dist.get_backend() == 'nccl'
    return 'cuda' if nccl else 'cpu'


def build_images(config: dict | list) -> SegmentationDataset:
    """Build the images to label.

    Args:
        config: What ``dataset_to_label`` gave.
    """
    if not isinstance(config, list):
        return DATASETS.build(config)
    return DATASETS.build(dict(type='ConcatDataset', datasets=config))


def _to_json(value: object) -> str:
    # One text for what JSON does not tell apart, such as tuples and lists.
    return json.dumps(value, sort_keys=True)


def _or_none(value: float) -> float | None:
    # JSON has no NaN.
    return None if math.isnan(value) else float(value)
