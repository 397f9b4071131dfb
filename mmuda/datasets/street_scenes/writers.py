# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Writing whole data sets of street scenes, over several processes."""

import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mmuda.datasets.street_scenes.domains import Domain
from mmuda.datasets.street_scenes.layouts import (
    CityscapesLayout,
    GTA5Layout,
    SceneLayout,
    SynthiaLayout,
)
from mmuda.datasets.street_scenes.presets import get_domain
from mmuda.datasets.street_scenes.render import check_scene, render_label_ids
from mmuda.datasets.street_scenes.settings import (
    make_settings,
    prepare_root,
    save_settings,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write

_SPLIT_STEP = 10_000_000  # scene numbers from one split to the next


@dataclass(frozen=True)
class WriteReport:
    """What a writer did.

    Attributes:
        root: Root of the data set.
        written: Number of scenes rendered.
        reused: Number of scenes that were there already.
    """

    root: Path
    written: int
    reused: int

    def __str__(self) -> str:
        """Return one line for the user."""
        if not self.written:
            return f'{self.root}: {self.reused} scenes complete, nothing to do'
        return f'{self.root}: {self.written} written, {self.reused} reused'


@dataclass(frozen=True)
class _Job:
    """One scene to render and write."""

    layout: SceneLayout
    domain: Domain
    seed: int
    size: tuple[int, int]
    root: Path
    split: str
    number: int

    def paths(self) -> list[Path]:
        files = self.layout.files(self.split, self.number)
        return [self.root / name for name in files]

    def run(self) -> None:
        start = self.layout.splits.index(self.split) * _SPLIT_STEP
        image, label_ids = render_label_ids(
            self.domain, self.seed, start + self.number, self.size
        )
        files = self.layout.files(self.split, self.number)
        for name, encode in files.items():
            atomic_write(self.root / name, encode(image, label_ids))


def write_gta5(root: str | Path, count: int, **options: Any) -> WriteReport:
    """Write a data set as GTA5 lies on disk; see ``write_scenes``."""
    return write_scenes(root, GTA5Layout(), {'all': count}, **options)


def write_synthia(root: str | Path, count: int, **options: Any) -> WriteReport:
    """Write a data set as SYNTHIA-RAND-CITYSCAPES lies on disk."""
    return write_scenes(root, SynthiaLayout(), {'all': count}, **options)


def write_cityscapes(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    **options: Any,
) -> WriteReport:
    """Write a data set as Cityscapes lies on disk, train and val split."""
    layout = CityscapesLayout(with_train_labels)
    return write_scenes(root, layout, counts, **options)


def write_scenes(
    root: str | Path,
    layout: SceneLayout,
    counts: Mapping[str, int],
    *,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    domain: Domain | str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = True,
    start_method: str | None = None,
) -> WriteReport:
    """Render street scenes and write them in the layout of a data set.

    The settings are kept in ``street_scenes.json`` in the root. Scenes that
    are there already are kept if the settings are the same, so that a killed
    run can be started again.

    Args:
        root: Root of the data set; made if missing.
        layout: Which files there are.
        counts: Number of scenes of each split.
        size: Width and height; by default the layout's.
        seed: Seed of the data set.
        domain: What the scenes look like; by default the layout's.
        workers: Number of processes; the files do not depend on it.
        overwrite: Replace the scenes that an earlier call wrote.
        progress: Show a progress bar.
        start_method: How processes are started: fork, spawn or forkserver.

    Raises:
        ConfigError: A split, count, size, seed or domain is wrong.
        DataError: The root holds other data or scenes of other settings.
    """
    root, domain = Path(root), get_domain(domain or layout.domain)
    for split, count in counts.items():
        if split not in layout.splits or count < 0:
            raise ConfigError(
                f'{layout.name} can not have {count} scenes of split '
                f'{split!r}; it has the splits {", ".join(layout.splits)}'
            )
    size = tuple(size or layout.size)
    check_scene(seed, 0, size)
    settings = make_settings(layout, counts, size, seed, domain)
    prepare_root(root, layout, settings, overwrite)
    jobs = [
        _Job(layout, domain, seed, size, root, split, number)
        for split, count in counts.items()
        for number in range(count)
    ]
    missing = [
        job for job in jobs if not all(path.is_file() for path in job.paths())
    ]
    if missing:
        save_settings(root, settings | {'complete': False})
        done = _run_all(missing, workers, start_method)
        _exhaust(done, len(missing), layout.name, progress)
    save_settings(root, settings | {'complete': True})
    return WriteReport(root, len(missing), len(jobs) - len(missing))


def _run_all(
    jobs: list[_Job], workers: int, start_method: str | None
) -> Iterator[None]:
    """Start the jobs; what is returned yields after each of them."""
    if workers <= 1 or len(jobs) == 1:
        return (job.run() for job in jobs)
    if start_method is None:
        start_method = 'fork' if sys.platform == 'linux' else 'spawn'
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        mp_context=multiprocessing.get_context(start_method),
        initializer=cv2.setNumThreads,
        initargs=(0,),
    )
    # Processes start here, before the progress bar starts a thread.
    return _drain(pool, pool.map(_Job.run, jobs, chunksize=4))


def _drain(
    pool: ProcessPoolExecutor, results: Iterator[None]
) -> Iterator[None]:
    """Yield the results; drop what is left if the caller stops."""
    try:
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _exhaust(
    done: Iterable[None], total: int, title: str, progress: bool
) -> None:
    """Go through the finished jobs with a bar and the time left."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not progress) as bar:
        task = bar.add_task(title, total=total)
        for _ in done:
            bar.advance(task)
