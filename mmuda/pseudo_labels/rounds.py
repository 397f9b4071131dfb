# Copyright (c) mmuda authors.
"""Rounds of labels within one training."""

import logging
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from mmengine.dist import broadcast_object_list
from mmengine.logging import print_log

from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.pseudo_label_loading import (
    LoadPseudoLabels,
    LoadSoftPseudoLabels,
)
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.names import MANIFEST

from .labeler import dataset_keys
from .labelling_jobs import LabellingJob, exchange_device
from .labelling_report import kept_shares, rows, share_changed


def round_name(point: int) -> str:
    """Name of the folder of a round.

    Args:
        point: Iterations before the round.
    """
    return f'iter_{point:08d}'


def read_rounds(
    dataset: SegmentationDataset | None, domain: str, root: Path
) -> None:
    """Let a data set read the current round, or nothing before the first.

    Args:
        dataset: Whose pipeline loads pseudo-labels; changed in place.
        domain: Its name.
        root: Folder of the rounds.

    Raises:
        ConfigError: The pipeline loads no pseudo-labels.
    """
    loaders = [
        transform
        for transform in iter_transforms(dataset)
        if isinstance(transform, LoadPseudoLabels | LoadSoftPseudoLabels)
    ]
    if not loaders:
        raise ConfigError(
            f'PseudoLabelRefreshHook: the pipeline of the domain {domain!r} '
            'has no LoadPseudoLabels'
        )
    for loader in loaders:
        loader.pseudo_label_root = str(root)
        loader.allow_missing = True


def usable_labels(
    job: LabellingJob, trained_since: bool
) -> PseudoLabelManifest | None:
    """Finished labels of this very round, as the main process sees them.

    Args:
        job: The round.
        trained_since: Whether the network has been trained since, so that its
            weights are not those that labelled.

    Returns:
        The manifest, the same in all processes; None if the round has to be
        labelled.
    """
    manifest = job.finished()
    if manifest is not None:
        differing = set(job.differences(manifest))
        if trained_since:
            differing -= {'checkpoints'}
        manifest = None if differing else manifest
    # On a shared disk processes may see a file at different times.
    found = [manifest]
    broadcast_object_list(found)
    return found[0]


def describe_round(
    job: LabellingJob, manifest: PseudoLabelManifest, previous: Path | None
) -> tuple[list[str], dict[str, float | None]]:
    """What was kept, how right it is and what has changed.

    All processes call it and share the work.

    Args:
        job: The finished round.
        manifest: Of the round.
        previous: Folder of the round before; None for the first.

    Returns:
        Lines for the log, and numbers for curves.
    """
    accuracy = job.measure()
    lines = [f'pseudo-labels of {manifest.domain}: {job.root}']
    lines += ['  '.join(row) for row in rows(manifest, accuracy)]
    scalars = kept_shares(manifest)
    if accuracy is not None:
        scalars['precision'] = accuracy.overall
    if previous is not None:
        changed = 100 * share_changed(
            previous, job.root, dataset_keys(job.dataset), exchange_device()
        )
        scalars['changed'] = changed
        lines.append(f'changed since the last round: {changed:.1f} %')
    return lines, scalars


def remove_old_rounds(
    root: Path, current: int, keep: int, needed: Collection[int | None]
) -> list[str]:
    """Remove rounds that are neither among the newest nor needed.

    Only folders with a manifest of ours are removed; links, and rounds of
    later iterations, as an earlier and longer run left them, stay. The
    manifest goes first: what an interruption leaves is an unfinished round.

    Args:
        root: Folder of the rounds.
        current: Iteration of the round in use.
        keep: How many of the newest to keep, at least 1.
        needed: Iterations of further rounds to keep.

    Returns:
        Names of the removed rounds, oldest first.
    """
    points = {
        int(match[1]): path
        for path in root.iterdir()
        if (match := re.fullmatch(r'iter_(\d{8,})', path.name))
        and int(match[1]) <= current
        and _is_ours(path)
    }
    old = sorted(points)[:-keep]
    removed = [
        points[point].name
        for point in old
        if point not in needed and _remove(points[point])
    ]
    if removed:
        text = f'removed old pseudo-labels in {root}: {", ".join(removed)}'
        print_log(text, logger='current')
    return removed


def _is_ours(folder: Path) -> bool:
    if folder.is_symlink() or (folder / MANIFEST).is_symlink():
        return False
    try:
        PseudoLabelManifest.read(folder)
    except DataError:
        return False
    return True


def _remove(folder: Path) -> bool:
    try:
        (folder / MANIFEST).unlink()
        shutil.rmtree(folder)
    except OSError as error:
        # Training does not depend on it.
        print_log(
            f'cannot remove the old pseudo-labels {str(folder)!r} '
            f'({error.strerror}); remove them by hand',
            logger='current',
            level=logging.WARNING,
        )
        return False
    return True
