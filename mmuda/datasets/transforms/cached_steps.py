# Copyright (c) mmuda authors.
"""The first steps of a pipeline, which make the same of a file each time."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import torch
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import Resize as SegResize

from mmuda.datasets.images.image_cache import ImageCache
from mmuda.datasets.images.image_header import ImageHeader
from mmuda.datasets.transforms.fitting import PadToSize, ResizeToFit
from mmuda.datasets.transforms.formatting import (
    CropFraction,
    PseudoLabelMargins,
)
from mmuda.datasets.transforms.image_loading import LoadImage, LoadLabels
from mmuda.datasets.transforms.resizing import Resize
from mmuda.utils.checks import POSITIVE
from mmuda.utils.errors import ConfigError

# Without chance, and dependent on the sample alone.
_CONSTANT = (
    *(LoadImage, LoadLabels, CropFraction, PadToSize, ResizeToFit),
    *(Resize, SegResize, PseudoLabelMargins),
)
# What these steps read of a sample, beside its files.
_READ = ('label_channel', 'num_classes', 'reduce_zero_label')
_FILES = ('img_path', 'seg_map_path')
# Other versions of these may decode or resize differently.
_VERSIONS = (cv2.__version__, PIL.__version__, torch.__version__)


class CachedSteps(BaseTransform):
    """Steps whose results are read from a cache from the second time on.

    Args:
        steps: The steps, of :func:`constant_steps`.
        cache: Where results are kept.
    """

    def __init__(
        self, steps: Sequence[BaseTransform], cache: ImageCache
    ) -> None:
        self.transforms = list(steps)
        self.cache = cache
        self._steps = '\n'.join([*map(repr, steps), *_VERSIONS])

    def transform(self, results: dict) -> dict | None:
        """Run the steps, or read what they gave."""
        identity = self._identity(results)
        if identity is None:
            return self._run(results)
        found = self._found(*identity)
        if found is not None:
            return {**results, **found}
        before = dict(results, seg_fields=[*results.get('seg_fields', [])])
        results = self._run(results)
        self._keep(*identity, before, results)
        return results

    def _run(self, results: dict) -> dict:
        for step in self.transforms:
            results = step(results)
        return results

    def _found(self, name: str, source: str) -> dict | None:
        """What an entry holds; None if there is none, or a damaged one."""
        entry = self.cache.read(name, source)
        if entry is None:
            return None
        values, arrays = entry
        try:
            restored = {key: _restored(value) for key, value in values.items()}
        except (TypeError, ValueError, AttributeError):
            return None
        return restored | {k: _laid_out(array) for k, array in arrays.items()}

    def _identity(self, results: Mapping) -> tuple[str, str] | None:
        """What the entry is called, and what it must have been made of.

        None if there is no such file, of which the steps will tell.
        """
        paths = [results[key] for key in _FILES if key in results]
        table = results.get('label_lut')
        parts = [
            *paths,
            self._steps,
            *(repr(results.get(key)) for key in _READ),
            type(results.get('label_reader')).__qualname__,
            '' if table is None else sha256(table.tobytes()).hexdigest(),
        ]
        name = '\n'.join(parts)
        try:
            states = [os.stat(path) for path in paths]
        except OSError:
            return None
        times = ' '.join(f'{s.st_size} {s.st_mtime_ns}' for s in states)
        return name, sha256(f'{name}\n{times}'.encode()).hexdigest()

    def _keep(
        self, name: str, source: str, before: Mapping, results: Mapping
    ) -> None:
        header = results.get('image_header')
        if header is not None and header.orientation > 1:
            # Of the labels of turned images other samples tell.
            return
        values: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        for key, value in results.items():
            if key in before and _is_same(before[key], value):
                continue
            if isinstance(value, np.ndarray):
                arrays[key] = _in_rows(value)
            else:
                values[key] = _stored(value)
        self.cache.write(name, source, values, arrays)

    def __repr__(self) -> str:
        return f'CachedSteps({self.transforms})'


def _is_same(before: object, after: object) -> bool:
    if isinstance(after, np.ndarray):
        return before is after
    return bool(before == after)


def _in_rows(array: np.ndarray) -> np.ndarray:
    """An array as it lies in memory, channels first or last: (1, ...)."""
    if array.ndim == 3 and array.transpose(2, 0, 1).flags.c_contiguous:
        return array.transpose(2, 0, 1)[None]
    return array


def _laid_out(array: np.ndarray) -> np.ndarray:
    """Undo :func:`_in_rows`."""
    return array[0].transpose(1, 2, 0) if array.ndim == 4 else array


def _stored(value: Any) -> Any:
    """A value as JSON has it, with the kinds of sequences."""
    if isinstance(value, ImageHeader):
        return ['header', *value]
    if isinstance(value, tuple | list):
        kind = 'tuple' if isinstance(value, tuple) else 'list'
        return [kind, *map(_stored, value)]
    return value


def _restored(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *parts = value
    if kind == 'header':
        return ImageHeader(*parts)
    restored = map(_restored, parts)
    return tuple(restored) if kind == 'tuple' else list(restored)


def constant_steps(steps: Sequence[BaseTransform]) -> int:
    """Number of first steps that make the same of a sample each time.

    Args:
        steps: Those of a pipeline.
    """
    for count, step in enumerate(steps):
        if type(step) not in _CONSTANT:
            return count
    return len(steps)


def open_cache(image_cache: Mapping[str, Any]) -> ImageCache:
    """Open the cache that a config asks for.

    Args:
        image_cache: ``folder`` and ``max_gb``.

    Raises:
        ConfigError: A key is missing or unknown, or the folder unusable.
    """
    if set(image_cache) != {'folder', 'max_gb'}:
        raise ConfigError(
            f'image_cache={dict(image_cache)}: give folder and max_gb, and '
            'nothing else'
        )
    folder, max_gb = image_cache['folder'], image_cache['max_gb']
    POSITIVE.require(max_gb, 'image_cache.max_gb')
    return ImageCache(Path(folder), max_gb)


def cache_first_steps(dataset: Any, cache: ImageCache) -> None:
    """Let the first steps of a data set be read from a cache, in place.

    Args:
        dataset: One without wrappers; without a pipeline it stays as it is.
        cache: Where results are kept.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    count = constant_steps(steps)
    if count:
        steps[:count] = [CachedSteps(steps[:count], cache)]


class KeptSteps(BaseTransform):
    """Steps without chance, whose last result is kept for the same image.

    Args:
        steps: The steps, of :func:`constant_steps`.
    """

    def __init__(self, steps: Sequence[BaseTransform]) -> None:
        self.transforms = list(steps)
        self._files: tuple | None = None
        self._kept: dict = {}

    def transform(self, results: dict) -> dict | None:
        """Run the steps, or give what they gave last."""
        files = results.get('img_path'), results.get('seg_map_path')
        if files != self._files:
            for step in self.transforms:
                results = step(results)
                if results is None:
                    return None
            self._files, self._kept = files, results
        # Later steps may write into what they get.
        return {key: _copy(value) for key, value in self._kept.items()}


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy('K')
    return type(value)(value) if isinstance(value, dict | list) else value


@contextmanager
def kept_first_steps(datasets: Iterable[Any]) -> Iterator[None]:
    """Let data sets load an image once while they are asked for it.

    Samples are exactly those without: only steps that make the same of a file
    each time are left out.

    Args:
        datasets: Those without wrappers; one that has no pipeline, or whose
            first step is one of chance, stays as it is.
    """
    changed: list[tuple[list, list]] = []
    try:
        for dataset in datasets:
            steps = getattr(
                getattr(dataset, 'pipeline', None), 'transforms', []
            )
            if count := _first_steps(steps):
                changed.append((steps, steps[:count]))
                steps[:count] = [KeptSteps(steps[:count])]
        yield
    finally:
        for steps, first in changed:
            steps[:1] = first


def _first_steps(steps: Sequence[BaseTransform]) -> int:
    """Number of first steps without chance, read from a cache or not."""
    cached = int(bool(steps) and type(steps[0]) is CachedSteps)
    return cached + constant_steps(steps[cached:])
