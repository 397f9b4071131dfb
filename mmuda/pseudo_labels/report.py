# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Telling what was kept."""

import math
import time

from rich.table import Table

from mmuda.datasets.pseudo_label_store import PseudoLabelManifest

from .accuracy import Accuracy


def rows(
    manifest: PseudoLabelManifest, accuracy: Accuracy | None = None
) -> list[list[str]]:
    """The result by class as text, a heading first and all classes last.

    Args:
        manifest: Of the finished labels.
        accuracy: If measured.
    """
    heading = ['class', 'pixels', 'threshold', 'kept %']
    if accuracy is not None:
        heading += ['precision %', 'recall %']
    table = [heading]
    for i, name in enumerate(manifest.classes):
        pixels, kept = manifest.pixels[name], manifest.kept[name]
        row = [name, f'{pixels:,}', f'{manifest.thresholds[name]:.4f}']
        row.append(_number(100 * kept / pixels if pixels else math.nan))
        if accuracy is not None:
            row += [
                _number(accuracy.precision[i]),
                _number(accuracy.recall[i]),
            ]
        table.append(row)
    pixels, kept = sum(manifest.pixels.values()), sum(manifest.kept.values())
    row = ['all', f'{pixels:,}', '', _number(100 * kept / max(pixels, 1))]
    if accuracy is not None:
        recall = 100 * accuracy.correct.sum() / max(accuracy.true.sum(), 1)
        row += [_number(accuracy.overall), _number(recall)]
    return [*table, row]


def selection_warnings(manifest: PseudoLabelManifest) -> list[str]:
    """What a training on the labels will not see.

    Args:
        manifest: Of the finished labels.

    Returns:
        Lines for the user; none if each class has a pixel.
    """
    pixels, kept = manifest.pixels, manifest.kept
    if not any(kept.values()):
        return [
            'no pixel of any image is kept: a training learns nothing of the '
            'target from these labels; lower the thresholds '
            '(pseudo_labels.rule)'
        ]
    absent = [name for name in manifest.classes if not pixels[name]]
    rejected = [n for n in manifest.classes if pixels[n] and not kept[n]]
    return [
        f'{what} {", ".join(names)}'
        for what, names in (
            ('no pixel is predicted as', absent),
            ('all pixels are rejected of', rejected),
        )
        if names
    ]


def kept_shares(manifest: PseudoLabelManifest) -> dict[str, float]:
    """Kept share in percent and threshold of each class, for curves.

    Args:
        manifest: Of the finished labels.

    Returns:
        ``kept``, ``kept.<class>`` and ``threshold.<class>``, the latter two
        for classes that were predicted.
    """
    pixels, kept = manifest.pixels, manifest.kept
    total = max(sum(pixels.values()), 1)
    values = {'kept': 100 * sum(kept.values()) / total}
    for name in manifest.classes:
        if pixels[name]:
            values[f'kept.{name}'] = 100 * kept[name] / pixels[name]
            values[f'threshold.{name}'] = manifest.thresholds[name]
    return values


def result_table(
    manifest: PseudoLabelManifest, accuracy: Accuracy | None = None
) -> Table:
    """The result for the terminal; see :func:`rows`."""
    heading, *body = rows(manifest, accuracy)
    table = Table(title=f'pseudo-labels of {manifest.num_images} images')
    for i, title in enumerate(heading):
        table.add_column(title, justify='right' if i else 'left')
    for row in body:
        table.add_row(*row, style='bold' if row[0] == 'all' else None)
    return table


class ProgressLines:
    """Prints a line with the remaining time every few seconds.

    Args:
        interval: Seconds between lines.
        write: Prints a line.
    """

    def __init__(self, interval: float = 10.0, write=print) -> None:
        self.interval = interval
        self.write = write
        self._part = ''
        self._start = self._last = 0.0
        self._first = 0

    def __call__(self, part: str, done: int, total: int) -> None:
        """Take note of the progress; see ``PseudoLabeler.report``."""
        now = time.monotonic()
        if part != self._part:
            self._part, self._start, self._first = part, now, done - 1
        elif now - self._last < self.interval and done < total:
            return
        self._last = now
        pace = (now - self._start) / max(done - self._first, 1)
        left = time.strftime('%H:%M:%S', time.gmtime(pace * (total - done)))
        self.write(f'{part}: {done} of {total} images, {left} left')


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'
