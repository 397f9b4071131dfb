# Copyright (c) mmuda authors.
"""The same images as the networks of a pool see them, each at its size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.errors import DataError

from .member_configs import named
from .pool_members import Member
from .selection_data import (
    SOURCE_VAL,
    Sampling,
    chosen_images,
    loader_of,
    shown_pipeline,
    source_images,
    source_sets,
    spread_indices,
    target_images,
)
from .shared_network import config_text


@dataclass
class View:
    """Images in the pipeline that some members of a pool share.

    Attributes:
        members: Numbers of those that see them so.
        batches: Images one by one.
    """

    members: Sequence[int]
    batches: Iterator[dict]


@dataclass(frozen=True)
class PoolImages:
    """Images that a pool is looked at on.

    Attributes:
        classes: Their classes.
        targets: Members, and the target as they see it.
        sources: The same of the labelled source; empty without one.
        held_out: Whether the source is others than those of training; None
            without one.
    """

    classes: tuple[str, ...]
    targets: list[tuple[list[int], SegmentationDataset]]
    sources: list[tuple[list[int], SegmentationDataset]]
    held_out: bool | None

    @classmethod
    def of(cls, members: Sequence[Member], sampling: Sampling) -> 'PoolImages':
        """Find the images of a pool.

        Args:
            members: Whose configs have the same data sets.
            sampling: Which images.

        Raises:
            ConfigError: A config has no such images.
        """
        kind, domain = sampling.images, sampling.domain
        targets = _by_sight(
            members,
            lambda member: shown_pipeline(member.cfg, domain),
            lambda member: target_images(member.cfg, kind, domain),
        )
        labelled = all(
            source_sets(member.cfg, domain) is not None for member in members
        )
        sources = _by_sight(
            members if labelled else (),
            lambda member: source_sets(member.cfg, domain),
            lambda member: _labelled(member, domain),
        )
        return cls(
            tuple(targets[0][1].metainfo['classes']),
            targets,
            sources,
            bool(members[0].cfg.get(SOURCE_VAL)) if labelled else None,
        )

    def target_views(self, sampling: Sampling) -> tuple[int, list[View]]:
        """Number of the target's images, and how they are seen.

        Args:
            sampling: How many.

        Raises:
            DataError: There is none.
        """
        indices = chosen_images(self.targets[0][1], sampling)
        return len(indices), _views(self.targets, indices, sampling.workers)

    def source_views(self, sampling: Sampling) -> tuple[int, list[View]]:
        """The same of the source.

        Args:
            sampling: How many.
        """
        total = len(self.sources[0][1])
        indices = spread_indices(total, sampling.source_count)
        return len(indices), _views(self.sources, indices, sampling.workers)


Chunk = Iterator[tuple[Sequence[int], list[tuple[str, dict]]]]


def chunks(views: Sequence[View], count: int, size: int) -> Iterator[Chunk]:
    """Yield images, some at a time, and of these one view after the other.

    So only those of one view are in memory.

    Args:
        views: Of the same images; that of the first member first.
        count: Number of images.
        size: So many at a time.

    Yields:
        Members and batches of one image, of each view, with the names that
        images have in the first one. All are to be taken before those of the
        next images.

    Raises:
        DataError: The views are not of the same images.
    """
    for first in range(0, count, size):
        yield _chunk(views, min(size, count - first))


def _chunk(views: Sequence[View], size: int) -> Chunk:
    files: list[str] = []
    names: list[str] = []
    for view in views:
        batches = list(islice(view.batches, size))
        found = [_of_image(batch, 'img_path') for batch in batches]
        if not files:
            # Configs may pack other keys than one another.
            names = [_of_image(batch, 'key') for batch in batches]
            files = found
        _require_same(found, files)
        named_batches = list(zip(names, batches, strict=True))
        batches.clear()
        yield view.members, named_batches
        # Those of one view at a time, whoever still has the list.
        named_batches.clear()


def _of_image(batch: dict, name: str) -> str:
    """The key of an image or, where it is not packed, the name of its file."""
    (sample,) = batch['data_samples']
    path = sample.get('img_path', '')
    return path if name == 'img_path' else sample.get(name) or Path(path).name


def _require_same(found: Sequence[str], files: Sequence[str]) -> None:
    """Refuse to compare networks on other images."""
    if found != files:
        pairs = zip(found, files, strict=False)
        other = next((pair for pair in pairs if pair[0] != pair[1]), None)
        raise DataError(
            'networks would be compared on other images, '
            + (f'{other[0]} and {other[1]}' if other else 'one on fewer')
            + '; compare them on the same data set'
        )


def _by_sight(
    members: Sequence[Member],
    text_of: Callable[[Member], Any],
    build: Callable[[Member], SegmentationDataset],
) -> list[tuple[list[int], SegmentationDataset]]:
    """Build a data set once for all members that see it in the same way."""
    found: dict[str, tuple[list[int], SegmentationDataset]] = {}
    for number, member in enumerate(members):
        with named(member.origin):
            text = config_text(text_of(member))
            if text not in found:
                found[text] = [], build(member)
        found[text][0].append(number)
    return list(found.values())


def _labelled(member: Member, domain: str | None) -> SegmentationDataset:
    found = source_images(member.cfg, domain)
    assert found is not None, 'asked before'
    return found[0]


def _views(
    sets: Sequence[tuple[list[int], SegmentationDataset]],
    indices: Sequence[int],
    workers: int,
) -> list[View]:
    return [
        View(members, loader_of(dataset, indices, workers))
        for members, dataset in sets
    ]
