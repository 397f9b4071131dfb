# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Rounds of labels within one training."""

from pathlib import Path

from mmengine.dist import broadcast_object_list

from mmuda.datasets.pseudo_label_store import PseudoLabelManifest

from .accuracy import share_changed
from .batches import dataset_keys
from .jobs import LabellingJob, exchange_device
from .report import kept_shares, rows


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
) -> tuple[list[str], dict[str, float]]:
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
