# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Running a pipeline on an image several times, its file read once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmuda.datasets.transforms.cached_steps import CachedSteps, constant_steps


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
