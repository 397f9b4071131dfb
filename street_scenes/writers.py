# Copyright (c) mmuda authors.
"""Writing whole data sets of street scenes."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.jobs import in_processes
from street_scenes.layouts import (
    ACDCLayout,
    BDD100KLayout,
    CARLALayout,
    CityscapesLayout,
    DarkZurichLayout,
    GTA5Layout,
    IDDLayout,
    MapillaryLayout,
    SceneLayout,
    SynscapesLayout,
    SynthiaLayout,
    UrbanSynLayout,
)
from street_scenes.presets import get_domain
from street_scenes.render import check_scene, render_label_ids
from street_scenes.settings import (
    make_settings,
    prepare_root,
    save_common_files,
    save_settings,
)
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
        domain = self.layout.domain_of(self.split, self.number, self.domain)
        image, label_ids = render_label_ids(
            domain, self.seed, start + self.number, self.scene_size
        )
        files = self.layout.files(self.split, self.number)
        for name, encode in files.items():
            atomic_write(self.root / name, encode(image, label_ids))


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


def write_gta5(root: str | Path, count: int, **options: Any) -> WriteReport:
    """Write a data set as GTA5 lies on disk; see ``write_scenes``."""
    return write_scenes(root, GTA5Layout(), {'all': count}, **options)


def write_synthia(root: str | Path, count: int, **options: Any) -> WriteReport:
    """Write a data set as SYNTHIA-RAND-CITYSCAPES lies on disk."""
    return write_scenes(root, SynthiaLayout(), {'all': count}, **options)


def write_synscapes(
    root: str | Path, count: int, **options: Any
) -> WriteReport:
    """Write a data set as Synscapes lies on disk; the size is that of rgb."""
    return write_scenes(root, SynscapesLayout(), {'all': count}, **options)


def write_urbansyn(
    root: str | Path, count: int, **options: Any
) -> WriteReport:
    """Write a data set as UrbanSyn lies on disk."""
    return write_scenes(root, UrbanSynLayout(), {'all': count}, **options)


def write_carla(
    root: str | Path, count: int, version: str = '0.9.14', **options: Any
) -> WriteReport:
    """Write a data set as CARLA's cameras do, with tags of a version."""
    return write_scenes(root, CARLALayout(version), {'all': count}, **options)


def write_acdc(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    **options: Any,
) -> WriteReport:
    """Write a data set as ACDC lies on disk, train and val split."""
    layout = ACDCLayout(with_train_labels)
    return write_scenes(root, layout, counts, **options)


def write_dark_zurich(
    root: str | Path, counts: Mapping[str, int], **options: Any
) -> WriteReport:
    """Write a data set as Dark Zurich lies on disk, train and val split."""
    return write_scenes(root, DarkZurichLayout(), counts, **options)


def write_cityscapes(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    **options: Any,
) -> WriteReport:
    """Write a data set as Cityscapes lies on disk, train and val split."""
    layout = CityscapesLayout(with_train_labels)
    return write_scenes(root, layout, counts, **options)


def write_idd(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    **options: Any,
) -> WriteReport:
    """Write a data set as IDD lies on disk, train and val split."""
    return write_scenes(root, IDDLayout(with_train_labels), counts, **options)


def write_bdd100k(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    **options: Any,
) -> WriteReport:
    """Write a data set as BDD100K lies on disk, train and val split."""
    layout = BDD100KLayout(with_train_labels)
    return write_scenes(root, layout, counts, **options)


def write_mapillary(
    root: str | Path,
    counts: Mapping[str, int],
    with_train_labels: bool = False,
    version: str = 'v1.2',
    **options: Any,
) -> WriteReport:
    """Write a data set as Mapillary Vistas lies on disk.

    The size among the options is that of a third of the images; the others
    are larger or of another shape.
    """
    layout = MapillaryLayout(with_train_labels, version)
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
) -> WriteReport:
    """Render street scenes and write them in the layout of a data set.

    The settings are kept in ``street_scenes.json`` in the root. Scenes that
    are there already are kept if the settings are the same, so that a killed
    run can be started again.

    Args:
        root: Root of the data set; made if missing.
        layout: Which files there are.
        counts: Number of scenes of each split.
        size: Width and height; by default the layout's. Scenes of some
            layouts differ from it.
        seed: Seed of the data set.
        domain: What the scenes look like; by default the layout's.
        workers: Number of processes; the files do not depend on it.
        overwrite: Replace the scenes that an earlier call wrote.
        progress: Show a progress bar.

    Raises:
        ConfigError: A split, count, size, seed or domain is wrong.
        DataError: The root holds other data or scenes of other settings.
    """
    root, domain = Path(root), get_domain(domain or layout.domain)
    _check_counts(layout, counts)
    size = tuple(size or layout.size)
    check_scene(seed, 0, size)
    jobs = [
        SceneJob(layout, domain, seed, size, root, split, number)
        for split, count in counts.items()
        for number in range(count)
    ]
    for job in jobs:
        check_scene(seed, job.number, job.scene_size)
    settings = make_settings(layout, counts, size, seed, domain)
    prepare_root(root, layout, settings, overwrite)
    missing = [
        job for job in jobs if not all(path.is_file() for path in job.paths())
    ]
    if missing:
        save_settings(root, settings | {'complete': False})
        title = layout.name if progress else None
        calls = [(job,) for job in missing]
        with in_processes(SceneJob.run, calls, workers, title) as done:
            deque(done, maxlen=0)
    save_common_files(root, layout)
    save_settings(root, settings | {'complete': True})
    return WriteReport(root, len(missing), len(jobs) - len(missing))


def _check_counts(layout: SceneLayout, counts: Mapping[str, int]) -> None:
    """Refuse unknown splits and negative numbers of scenes."""
    for split, count in counts.items():
        if split not in layout.splits or count < 0:
            raise ConfigError(
                f'{layout.name} can not have {count} scenes of split '
                f'{split!r}; it has the splits {", ".join(layout.splits)}'
            )
