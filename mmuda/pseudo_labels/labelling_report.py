# Copyright (c) mmuda authors.
"""Telling what was kept."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from PIL import Image
from rich.table import Table

from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    label_path,
)
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.drawing import colourise, heat_map, legend, panel
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path
from mmuda.utils.jobs import in_threads
from mmuda.utils.threads import usable_cores

from .predictor import Score


@dataclass(frozen=True)
class Accuracy:
    """Pixel counts by class.

    Attributes:
        correct: Kept pixels whose pseudo-label is the true class, by class.
        judged: Kept pixels with a true class, by pseudo-label.
        true: Pixels of each true class, kept or not.
    """

    correct: np.ndarray
    judged: np.ndarray
    true: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Right share of the kept labels of each class, in percent."""
        return _percent(self.correct, self.judged)

    @property
    def overall(self) -> float:
        """Right share of all kept labels, in percent."""
        return float(_percent(self.correct.sum(), self.judged.sum()))

    @property
    def recall(self) -> np.ndarray:
        """Share of each true class that is kept and right, in percent."""
        return _percent(self.correct, self.true)


def measure_accuracy(
    root: Path,
    dataset: SegmentationDataset,
    device: torch.device | str = 'cpu',
) -> Accuracy:
    """Compare pseudo-labels with true labels, all processes sharing the work.

    True labels are resized to the size of the pseudo-labels (nearest
    neighbour).

    Args:
        root: Folder of the pseudo-labels.
        dataset: Its samples hold ``key`` and ``gt_seg_map``.
        device: Where processes exchange their counts.

    Raises:
        DataError: A pseudo-label is missing or damaged.
    """
    classes = len(dataset.metainfo['classes'])

    def count(index: int) -> np.ndarray:
        sample = dataset[index]
        label = read_label(root, sample['key'])
        truth = cv2.resize(
            sample['gt_seg_map'],
            label.shape[::-1],
            interpolation=cv2.INTER_NEAREST,
        )
        return count_correct(label, truth, classes)

    return Accuracy(*_summed(count, len(dataset), (3, classes), device))


def count_correct(
    label: np.ndarray, truth: np.ndarray, num_classes: int
) -> np.ndarray:
    """Count the pixels of one image.

    Args:
        label: (H, W) pseudo-labels, 255 where rejected.
        truth: (H, W) true classes, 255 where unknown.
        num_classes: Number of classes C.

    Returns:
        (3, C): right ones, judged ones by pseudo-label, true ones.
    """
    known = truth < num_classes
    judged = known & (label < num_classes)
    right = judged & (label == truth)
    return np.stack(
        [
            np.bincount(values, minlength=num_classes)
            for values in (label[right], label[judged], truth[known])
        ]
    )


def share_changed(
    old: Path,
    new: Path,
    keys: Sequence[str],
    device: torch.device | str = 'cpu',
) -> float:
    """Part of the pixels whose pseudo-label differs between two rounds.

    Args:
        old: Folder of the earlier round.
        new: Folder of the later one.
        keys: Images to compare, all processes sharing the work.
        device: Where processes exchange their counts.

    Returns:
        Share in [0, 1]; a pixel that is rejected in one round only differs.
    """

    def count(index: int) -> np.ndarray:
        before, after = (read_label(root, keys[index]) for root in (old, new))
        return np.array([(before != after).sum(), after.size])

    differing, pixels = _summed(count, len(keys), (2,), device)
    return float(differing / max(pixels, 1))


def _summed(
    count: Callable[[int], np.ndarray],
    total: int,
    shape: tuple[int, ...],
    device: torch.device | str,
) -> np.ndarray:
    """Add up counts of images over threads and processes."""
    counts = np.zeros(shape, dtype=np.int64)
    own = ((index,) for index in range(get_rank(), total, get_world_size()))
    with in_threads(count, own, min(usable_cores(), 8)) as parts:
        for part in parts:
            counts += part
    summed = torch.from_numpy(counts).to(device)
    all_reduce(summed)
    return summed.cpu().numpy()


def read_label(root: Path, key: str) -> np.ndarray:
    """Read a pseudo-label (H, W) uint8.

    Raises:
        DataError: It is missing or damaged.
    """
    file = label_path(root, key)
    try:
        return decode_ids(read_bytes(str(file)), str(file), None)
    except DataError as error:
        raise DataError(
            f'cannot read the pseudo-label {str(file)!r}; generate the labels '
            'anew with --overwrite'
        ) from error


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * np.true_divide(part, whole)


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


def kept_shares(manifest: PseudoLabelManifest) -> dict[str, float | None]:
    """Kept share in percent and threshold of each class, for curves.

    Args:
        manifest: Of the finished labels.

    Returns:
        ``kept``, ``kept.<class>`` and ``threshold.<class>``, the latter two
        for classes that were predicted.
    """
    pixels, kept = manifest.pixels, manifest.kept
    total = max(sum(pixels.values()), 1)
    values: dict[str, float | None] = {
        'kept': 100 * sum(kept.values()) / total
    }
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
            self._part, self._start, self._first = part, now, done
        elif now - self._last < self.interval and done < total:
            return
        self._last = now
        text = f'{part}: {done} of {total} images'
        if done > self._first:
            # Nobody knows it of the first one.
            pace = (now - self._start) / (done - self._first)
            seconds = time.gmtime(pace * (total - done))
            text += f', {time.strftime("%H:%M:%S", seconds)} left'
        self.write(text)


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'


@dataclass(frozen=True)
class Pictures:
    """Draws some images of a data set, spread over it.

    Attributes:
        folder: Where to write ``<key>.png``; None draws nothing.
        count: How many images.
        dataset: The images.
    """

    folder: Path | None
    count: int
    dataset: SegmentationDataset

    @cached_property
    def _indices(self) -> set[int]:
        if self.folder is None:
            return set()
        total = len(self.dataset)
        spread = np.linspace(0, total - 1, min(self.count, total))
        return set(spread.astype(int).tolist())

    def wanted(self, index: int) -> bool:
        """Whether an image is among those to draw."""
        return index in self._indices

    def draw(
        self,
        index: int,
        key: str,
        label: np.ndarray,
        scores: np.ndarray,
        selected: np.ndarray,
        score: Score,
    ) -> None:
        """Draw image, prediction, scores and kept labels.

        Args:
            index: Of the image in the data set.
            key: Of the image.
            label: (H, W) predicted classes.
            scores: (H, W) in [0, 1].
            selected: (H, W) classes, 255 where rejected.
            score: What the scores are.
        """
        assert self.folder is not None, 'without it nothing is drawn'
        palette = self.dataset.metainfo['palette']
        # as the network saw it, cropped and resized
        sample = self.dataset[index]
        inputs = sample['inputs'].numpy().transpose(1, 2, 0)
        padding = sample['data_samples'].get('padding_size', (0, 0, 0, 0))
        left, right, top, bottom = padding
        height, width = inputs.shape[:2]
        inputs = inputs[top : height - bottom, left : width - right]
        size = label.shape[::-1]
        image = cv2.resize(inputs, size, interpolation=cv2.INTER_AREA)
        picture = panel(
            {
                'image': image[..., ::-1],
                'prediction': colourise(label, palette),
                f'{score} (bright = high)': heat_map(scores),
                'kept pseudo-label': colourise(selected, palette),
            }
        )
        classes = self.dataset.metainfo['classes']
        names = legend(classes, palette, picture.shape[1])
        with atomic_path(self.folder / f'{key}.png') as temporary:
            whole = np.concatenate([picture, names])
            Image.fromarray(whole).save(temporary)
