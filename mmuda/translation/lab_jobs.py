# Copyright (c) mmuda authors.
"""Translating the images of a source to the colours of a target, offline."""

import hashlib
import os
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmuda.color.lab_styles import MeasuredStyle, StyleFile
from mmuda.color.lab_uint8 import LabStyle, in_style, style_of
from mmuda.datasets.images.image_io import read_image
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write, require_writable_folder
from mmuda.utils.jobs import in_processes
from mmuda.utils.locks import locked_folder

from .lab_folder import UNFINISHED, TranslationFolder
from .lab_images import ImageSet, encode_image, read_stored

# Of what files are made of: images of different ones must not mix.
_VERSION = 1
STATISTICS = 'target_statistics.json'


@dataclass(frozen=True)
class TranslationReport:
    """What a run has done.

    Attributes:
        written: Number of translated images.
        kept: Number of images that were translated before.
        seconds: What translating took.
    """

    written: int
    kept: int
    seconds: float

    def __str__(self) -> str:
        rate = self.written / max(self.seconds, 1e-9)
        speed = f' ({rate:.3g} images/s)' if self.written else ''
        return f'{self.written} images translated{speed}, {self.kept} kept'


def draw_target(seed: int, name: str, targets: int) -> int:
    """Draw the target image of a source image.

    Args:
        seed: Of the translation.
        name: Path of the source image below its root.
        targets: Number of target images.

    Returns:
        A number below ``targets``, each equally probable, that depends on the
        arguments only.
    """
    text = f'{seed}\0{name}'.encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, 'big') * targets >> 64


@dataclass
class LabTranslationJob:
    """A source, the target that gives it colours, and where images go.

    Attributes:
        source: Images to translate.
        target: Images that give their colours.
        out: Folder of the translated images.
        seed: Decides which target image a source image gets.
        workers: Number of processes; files do not depend on it.
        statistics: File of the target's styles; by default in ``out``.
        overwrite: Translate again what is there, also by other settings.
        progress: Whether to show bars.
    """

    source: ImageSet
    target: ImageSet
    out: Path
    seed: int = 0
    workers: int = 1
    statistics: Path | None = None
    overwrite: bool = False
    progress: bool = True

    @cached_property
    def pairs(self) -> dict[str, str]:
        """Target image of each source image."""
        targets = self.target.names
        return {
            name: targets[draw_target(self.seed, name, len(targets))]
            for name in self.source.names
        }

    @property
    def statistics_path(self) -> Path:
        """File of the target's styles."""
        return self.statistics or self.out / STATISTICS

    def styles(self) -> dict[str, LabStyle]:
        """Measure the target images, or read what is known of them.

        Returns:
            Style of each target image.

        Raises:
            DataError: As of :func:`measure_styles`.
        """
        return measure_styles(
            self.target,
            self.statistics_path,
            self.workers,
            self.progress,
            self.overwrite,
        )

    def run(self) -> TranslationReport:
        """Translate what is missing.

        Raises:
            ConfigError: ``out`` is not writable, another run writes to it, or
                a process was killed.
            DataError: An image can't be read, the disk is full, or ``out``
                holds images, files of others, or of other settings.
        """
        self._check_places()
        folder, settings = TranslationFolder(self.out), self._settings()
        folder.check(settings, self.statistics_path, self.overwrite)
        require_writable_folder(self.out, 'OUT')
        with locked_folder(self.out, 'OUT'):
            return self._run(folder, settings)

    def _run(
        self, folder: TranslationFolder, settings: dict
    ) -> TranslationReport:
        styles = self.styles()
        if self.overwrite:
            folder.clear()
        folder.begin(settings, self.pairs, self.source.lines)
        missing = folder.missing(self.source.names)
        start = time.monotonic()
        try:
            self._translate(missing, styles)
        finally:
            folder.end()
        seconds = time.monotonic() - start
        images = len(self.source.names)
        about = dict(images=images, target=str(self.target.root))
        folder.finish(settings | about)
        return TranslationReport(len(missing), images - len(missing), seconds)

    def _settings(self) -> dict:
        """What decides about the files; the target may have moved."""
        return dict(
            version=_VERSION,
            seed=self.seed,
            source=str(self.source.root),
            target_images=len(self.target.names),
            target_sha256=self.target.digest(),
        )

    def _check_places(self) -> None:
        """Refuse to write where images are read."""
        out = self.out.resolve()
        written = {out / name for name in self.source.names}
        for images in (self.source, self.target):
            folder, root = images.folder, images.root.resolve()
            within = folder and folder.resolve() in (out, *out.parents)
            if within or any(root / name in written for name in images.names):
                raise DataError(
                    f"'{self.out}' lies among the images of "
                    f"'{folder or root}'; write to another folder"
                )

    def _translate(
        self, names: list[str], styles: dict[str, LabStyle]
    ) -> None:
        unfinished = self.out / UNFINISHED
        calls = [
            (
                self.source.path(name),
                self.out / name,
                unfinished,
                styles[self.pairs[name]],
            )
            for name in names
        ]
        title = 'translation' if self.progress else None
        with in_processes(translate_file, calls, self.workers, title) as done:
            deque(done, maxlen=0)


def translate_file(
    source: Path, out: Path, unfinished: Path, style: LabStyle
) -> None:
    """Write an image in a style.

    Args:
        source: File of the image.
        out: File to write.
        unfinished: Folder, on the same disk, in which it is written.
        style: Of its target image.

    Raises:
        DataError: The image can't be read, or the disk is full.
    """
    image, orientation = read_stored(source)
    content = encode_image(in_style(image, style), out.suffix, orientation)
    atomic_write(out, content, unfinished)


# Images after which those that were measured are saved.
_SAVE_EVERY = 500


def measure_styles(
    target: ImageSet,
    path: Path,
    workers: int = 1,
    progress: bool = True,
    overwrite: bool = False,
) -> dict[str, LabStyle]:
    """Measure the styles of images that a file does not have yet.

    What is known of an image counts while its size and time stay the same.

    Args:
        target: The images.
        path: The file of styles; it is made or brought up to date.
        workers: Number of processes.
        progress: Whether to show a bar.
        overwrite: Replace a file of another target, or a damaged one.

    Returns:
        Style of each image.

    Raises:
        DataError: An image can't be read, or the file is another one's.
    """
    statuses = {name: target.status(name) for name in target.names}
    old = _read_old(path, target, overwrite)
    known = {
        name: old.styles[name]
        for name, status in statuses.items()
        if name in old.styles and old.styles[name].fits(status)
    }

    calls = [
        (name, target.path(name), status)
        for name, status in statuses.items()
        if name not in known
    ]
    title = 'target statistics' if progress else None
    try:
        with in_processes(_measure, calls, workers, title) as measured:
            for name, style in measured:
                known[name] = style
                if len(known) % _SAVE_EVERY == 0:
                    StyleFile(known, complete=False).write(path)
    finally:
        file = StyleFile(known, len(known) == len(statuses))
        if file != old:
            file.write(path)
    return {name: entry.style for name, entry in known.items()}


def _read_old(path: Path, target: ImageSet, overwrite: bool) -> StyleFile:
    """Read a file that may not be there yet."""
    nothing = StyleFile({}, complete=False)
    if not path.exists():
        return nothing
    try:
        old = StyleFile.read(path)
    except DataError:
        if overwrite:
            return nothing
        raise
    foreign = not set(old.styles) & set(target.names)
    if old.styles and foreign and not overwrite:
        raise DataError(
            f"'{path}' has statistics of another target than "
            f"'{target.root}'; give another file by --statistics, or "
            '--overwrite it'
        )
    return old


def _measure(
    name: str, path: Path, status: os.stat_result
) -> tuple[str, MeasuredStyle]:
    style = style_of(read_image(path))
    return name, MeasuredStyle(style, status.st_size, status.st_mtime_ns)
