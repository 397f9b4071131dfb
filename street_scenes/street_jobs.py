# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Rendering and writing scenes one by one or over several processes."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mmuda.utils.files import atomic_write
from mmuda.utils.processes import exit_with
from street_scenes.layouts import SceneLayout
from street_scenes.render import render_label_ids
from street_scenes.street_domains import Domain

_SPLIT_STEP = 10_000_000  # scene numbers from one split to the next


@dataclass(frozen=True)
class SceneJob:
    """One scene to render and write.

    Attributes:
        layout: Which files it has.
        domain: What it looks like.
        seed: Seed of the data set.
        size: Width and height that the layout derives the scene's from.
        root: Root of the data set.
        split: Its split.
        number: Its number in the split.
    """

    layout: SceneLayout
    domain: Domain
    seed: int
    size: tuple[int, int]
    root: Path
    split: str
    number: int

    @property
    def scene_size(self) -> tuple[int, int]:
        """Width and height of the scene."""
        return self.layout.scene_size(self.number, self.size)

    def paths(self) -> list[Path]:
        """Return the files to write."""
        files = self.layout.files(self.split, self.number)
        return [self.root / name for name in files]

    def run(self) -> None:
        """Render the scene and write its files."""
        start = self.layout.splits.index(self.split) * _SPLIT_STEP
        image, label_ids = render_label_ids(
            self.domain, self.seed, start + self.number, self.scene_size
        )
        files = self.layout.files(self.split, self.number)
        for name, encode in files.items():
            atomic_write(self.root / name, encode(image, label_ids))


def run_jobs(
    jobs: list[SceneJob],
    workers: int,
    start_method: str | None,
    title: str | None,
) -> None:
    """Run jobs, over several processes if wanted.

    Args:
        jobs: At least one.
        workers: Number of processes.
        start_method: How they are started; None for the system's best.
        title: Of the progress bar; None for no bar.
    """
    done = _start(jobs, workers, start_method)
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=title is None) as bar:
        task = bar.add_task(title or '', total=len(jobs))
        for _ in done:
            bar.advance(task)


def _start(
    jobs: list[SceneJob], workers: int, start_method: str | None
) -> Iterator[None]:
    """Start the jobs; what is returned yields after each of them."""
    if workers <= 1 or len(jobs) == 1:
        return (job.run() for job in jobs)
    if start_method is None:
        start_method = 'fork' if sys.platform == 'linux' else 'spawn'
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        mp_context=multiprocessing.get_context(start_method),
        initializer=_start_worker,
        initargs=(os.getpid(),),
    )
    # Processes start here, before the progress bar starts a thread.
    return _drain(pool, pool.map(SceneJob.run, jobs, chunksize=4))


def _start_worker(parent: int) -> None:
    cv2.setNumThreads(0)
    exit_with(parent)


def _drain(
    pool: ProcessPoolExecutor, results: Iterator[None]
) -> Iterator[None]:
    """Yield the results; drop what is left if the caller stops."""
    try:
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)
