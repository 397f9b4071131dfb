# Copyright (c) mmuda authors.
"""Sums over predictions, from which label-free scores follow.

They are exact, not samples: most scores need a C x C matrix or less. For 19
classes they take about 0.7 MB, whatever the number and size of the images.
"""

import math
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmuda.models.segmentors.strips import Strips, upsampled
from mmuda.utils.names import IGNORE_ID

from .neighbourhood_density import (
    PIXELS,
    candidate_pixels,
    soft_neighbourhood_density,
)
from .pixel_counts import count_pairs
from .score_histogram import ScoreHistogram, quantise

# In double precision at a time: 10 MB for 19 classes.
_PIXELS = 2**16


class LabelFreeState:
    """What is summed over the predictions of unlabelled images.

    Whole numbers are int64 and all others float64, so sums do not depend on
    how images are batched or shared among processes (float64 to rounding).

    Args:
        num_classes: Number of classes C.
        bins: Bins of the histogram of confidences.
        device: Where to sum.

    Attributes:
        sums: Tensors by name: ``pixels`` and ``images`` (numbers),
            ``probability`` (C,), ``entropy`` (sum over pixels, in nats),
            ``fourth_powers`` of softmax and ``fourth_powers_taylor`` (MaNo),
            ``uniform_cross_entropy``, ``gram`` (C, C) sum of p p^T over
            pixels, ``region_gram`` (C, C) the same over regions, which are
            the mean p of the pixels of an image that are predicted as one
            class, ``regions`` (number), ``soft_confusion`` (C, C) sum of p
            over the pixels predicted as each class (rows), ``predicted``
            (C,) pixels, ``images_with`` (C,) images where a class is
            predicted, ``neighbours`` and ``equal_neighbours`` (numbers of
            pairs), ``views`` (C, C) pixels by class in a first and a second
            view, ``view_images`` (number), ``density`` (sum over images of
            the soft neighbourhood density of 100 pixels) and
            ``density_images`` (number).
        confidences: Histogram of the largest probability by predicted class.
    """

    def __init__(
        self,
        num_classes: int,
        bins: int = 4096,
        device: torch.device | str = 'cpu',
    ) -> None:
        classes = (num_classes,)
        square = (num_classes, num_classes)
        whole = dict(
            pixels=(),
            images=(),
            regions=(),
            predicted=classes,
            images_with=classes,
            neighbours=(),
            equal_neighbours=(),
            views=square,
            view_images=(),
            density_images=(),
        )
        real = dict(
            probability=classes,
            entropy=(),
            fourth_powers=(),
            fourth_powers_taylor=(),
            uniform_cross_entropy=(),
            gram=square,
            region_gram=square,
            soft_confusion=square,
            density=(),
        )
        self.sums: dict[str, Tensor] = {
            name: torch.zeros(shape, dtype=kind, device=device)
            for shapes, kind in ((whole, torch.int64), (real, torch.float64))
            for name, shape in shapes.items()
        }
        self.confidences = ScoreHistogram(num_classes, bins, device)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.confidences.num_classes

    def __getitem__(self, name: str) -> Tensor:
        """One of ``sums``."""
        return self.sums[name]

    @torch.no_grad()
    def update(
        self,
        predictions: Tensor | Strips,
        valid: Tensor | None = None,
        are_logits: bool = True,
    ) -> Tensor:
        """Add images.

        Args:
            predictions: (N, C, H, W) logits or probabilities; or strips of
                one image, of which only one is in memory at a time.
            valid: (N, H, W) bool, False on padding; None if there is none.
                Pixels whose prediction is not a number never count.
            are_logits: Whether ``predictions`` are logits. Of probabilities
                ``fourth_powers_taylor`` can't be told and becomes NaN.

        Returns:
            (N, H, W) uint8 predicted classes, 255 where pixels don't count.
        """
        images: list[Strips] = [predictions]  # type: ignore[list-item]
        if isinstance(predictions, Tensor):
            # One by one, so that nothing depends on the size of batches.
            images = [
                upsampled(image, (image.shape[2], image.shape[3]), False)
                for image in predictions.split(1)
            ]
        assert all(image.shape[0] == 1 for image in images), 'one by one'
        labels = [
            self._add_image(
                image, None if valid is None else valid[index], are_logits
            )
            for index, image in enumerate(images)
        ]
        return torch.stack(labels)

    def _add_image(
        self, image: Strips, valid: Tensor | None, are_logits: bool
    ) -> Tensor:
        """Add an image (1, C, H, W); return its classes (H, W)."""
        _, classes, *size = image.shape
        device = self['pixels'].device
        label = torch.full(size, IGNORE_ID, dtype=torch.uint8, device=device)
        # sum of p over the pixels of each predicted class
        by_class = self['gram'].new_zeros(classes, classes)
        sample = _Sample(classes, size, device)
        for columns, strip in image.parts():
            sample.take(columns, strip[0])
            label[:, columns] = self._add_pixels(
                strip[0].to(device),
                None if valid is None else valid[:, columns].to(device),
                are_logits,
                by_class,
            )
        self._add_whole(label, by_class)
        self._add_density(sample.counted(label), are_logits)
        return label

    def _add_pixels(
        self,
        strip: Tensor,
        valid: Tensor | None,
        are_logits: bool,
        by_class: Tensor,
    ) -> Tensor:
        """Add what is a sum over pixels (C, H, w); return their classes."""
        log_p = _log_probabilities(strip, are_logits)
        # Of what was given, as rounding may make probabilities equal.
        label = strip.max(dim=0).indices
        confidence = log_p.exp().amax(dim=0)
        counted = torch.isfinite(log_p.exp().sum(dim=0))
        if valid is not None:
            counted &= valid
        label = torch.where(counted, label, IGNORE_ID).to(torch.uint8)
        bins = quantise(confidence.nan_to_num().clamp(0, 1), self.bins)
        self.confidences.update(label, bins)
        # (pixels, C)
        rows = log_p.flatten(1).t()[counted.flatten()]
        raw = strip.flatten(1).t()[counted.flatten()]
        predicted = label[counted].long()
        for first in range(0, len(rows), _PIXELS):
            part = slice(first, first + _PIXELS)
            logits = raw[part].double() if are_logits else None
            self._add_rows(rows[part].double(), logits)
            by_class += _sums_by_class(rows[part].double(), predicted[part])
        return label

    @property
    def bins(self) -> int:
        """Bins of the histogram of confidences."""
        return self.confidences.bins

    def _add_rows(self, log_p: Tensor, logits: Tensor | None) -> None:
        """Add pixels (M, C)."""
        sums, p = self.sums, log_p.exp()
        sums['pixels'] += len(p)
        sums['probability'] += p.sum(dim=0)
        sums['entropy'] -= torch.special.xlogy(p, p).sum()
        sums['gram'] += p.t() @ p
        sums['fourth_powers'] += p.square().square().sum()
        # Of a probability 0, as of one too small for a float.
        sums['uniform_cross_entropy'] -= log_p.clamp(min=-745).mean(1).sum()
        if logits is None:
            sums['fourth_powers_taylor'] += math.nan
        else:
            fourth = taylor_probabilities(logits).square().square()
            sums['fourth_powers_taylor'] += fourth.sum()

    def _add_whole(self, label: Tensor, by_class: Tensor) -> None:
        """Add what needs a whole image (H, W)."""
        sums = self.sums
        flat = label[label != IGNORE_ID].long()
        predicted = torch.bincount(flat, minlength=self.num_classes)
        there = predicted > 0
        regions = by_class[there] / predicted[there].unsqueeze(1)
        sums['region_gram'] += regions.t() @ regions
        sums['regions'] += there.sum()
        sums['soft_confusion'] += by_class
        sums['predicted'] += predicted
        sums['images_with'] += there
        sums['images'] += 1
        for first, second in (
            (label[1:], label[:-1]),
            (label[:, 1:], label[:, :-1]),
        ):
            both = (first != IGNORE_ID) & (second != IGNORE_ID)
            sums['neighbours'] += both.sum()
            sums['equal_neighbours'] += (both & (first == second)).sum()

    def _add_density(self, rows: Tensor, are_logits: bool) -> None:
        """Add the density of pixels (M, C) of an image."""
        if len(rows) > 1:
            # (M, C) -> (C, M, 1)
            log_p = _log_probabilities(rows.t().unsqueeze(2), are_logits)
            p = log_p.exp().squeeze(2).t()
            self.sums['density'] += soft_neighbourhood_density(p.double())
            self.sums['density_images'] += 1

    def update_views(self, first: Tensor, second: Tensor) -> None:
        """Add an image that was predicted twice.

        Args:
            first: (H, W) classes of the image, 255 where they don't count.
            second: (H, W) classes of another view of it, brought to the
                first's place, or by another network.
        """
        known = (first != IGNORE_ID) & (second != IGNORE_ID)
        pairs = count_pairs(
            first[known], second[known], self.num_classes, IGNORE_ID
        )
        self['views'].add_(pairs[:-1, :-1])
        self['view_images'].add_(1)

    def add(self, other: 'LabelFreeState') -> None:
        """Add what was summed of other images.

        Args:
            other: Of as many classes and bins.
        """
        for name, value in other.sums.items():
            self.sums[name] += value.to(self.sums[name].device)
        counts = self.confidences.counts
        counts += other.confidences.counts.to(counts.device)

    def all_reduce(self) -> None:
        """Add up the sums of all processes."""
        for value in self._tensors():
            all_reduce(value)

    def to(self, device: torch.device | str) -> 'LabelFreeState':
        """The same sums on another device; those given are not changed."""
        moved = LabelFreeState(self.num_classes, self.bins, device)
        moved.add(self)
        return moved

    def packed(self) -> np.ndarray:
        """All sums as numbers in a row, for :meth:`add_packed`.

        Returns:
            (M,) float64, in which whole numbers below 2**53 are exact; empty
            bins take no place. The first one tells what the others are.
        """
        sums = [value.flatten().double() for value in self.sums.values()]
        sums.insert(0, self['entropy'].new_tensor([self._layout()]))
        counts = self.confidences.counts.flatten()
        cells = counts.nonzero().flatten()
        parts = [*sums, cells.double(), counts[cells].double()]
        return torch.cat(parts).cpu().numpy()

    def add_packed(self, numbers: np.ndarray) -> None:
        """Add what :meth:`packed` gave.

        Args:
            numbers: (M,) float64.

        Raises:
            ValueError: They are of other classes or bins, or were written
                when other things were summed.
        """
        if not len(numbers) or numbers[0] != self._layout():
            raise ValueError('sums of other classes, bins or another version')
        rest = torch.from_numpy(numbers[1:]).to(self['pixels'].device)
        length = sum(value.numel() for value in self.sums.values())
        histogram = rest[length:].long()
        cells = histogram[: len(histogram) // 2]
        counts = histogram[len(histogram) // 2 :]
        for value in self.sums.values():
            part, rest = rest[: value.numel()], rest[value.numel() :]
            value += part.view_as(value).to(value.dtype)
        self.confidences.counts.view(-1)[cells] += counts

    def _layout(self) -> int:
        """A number that those of other sums, classes or bins are not."""
        shapes = [(name, *value.shape) for name, value in self.sums.items()]
        shapes.append(('confidences', *self.confidences.counts.shape))
        return zlib.crc32(repr(shapes).encode())

    def _tensors(self) -> Iterator[Tensor]:
        yield from self.sums.values()
        yield self.confidences.counts


class _Sample:
    """Values of some pixels of an image, gathered strip by strip."""

    def __init__(
        self, classes: int, size: Sequence[int], device: torch.device
    ) -> None:
        height, width = size
        self._places = candidate_pixels(height, width).to(device)
        self._rows = self._places // width
        self._columns = self._places % width
        self._values = torch.zeros(
            len(self._places), classes, dtype=torch.float64, device=device
        )

    def take(self, columns: slice, strip: Tensor) -> None:
        """Take pixels of a strip (C, H, w)."""
        inside = self._columns >= columns.start
        inside &= self._columns < columns.stop
        rows, places = self._rows[inside], self._columns[inside]
        found = strip.to(self._values.device)
        found = found[:, rows, places - columns.start]
        self._values[inside] = found.t().double()

    def counted(self, label: Tensor) -> Tensor:
        """The first (M, C) that count, of a label (H, W)."""
        known = label.flatten()[self._places] != IGNORE_ID
        return self._values[known][:PIXELS]


def taylor_probabilities(logits: Tensor) -> Tensor:
    """MaNo's replacement of softmax for logits that are badly calibrated.

    Xie et al., `MaNo <https://arxiv.org/abs/2405.18979>`_, NeurIPS 2024: the
    second-order Taylor polynomial of the exponential function.

    Args:
        logits: (M, C).

    Returns:
        (M, C), not negative and summing to 1; 0 where all logits are equal.
    """
    values = 1 + logits + logits.square() / 2
    values = values - values.min(dim=1, keepdim=True).values
    return torch.nn.functional.normalize(values, p=1, dim=1)


def _log_probabilities(values: Tensor, are_logits: bool) -> Tensor:
    """Of an image (C, H, w), in single precision at least."""
    wide = values.to(torch.promote_types(values.dtype, torch.float32))
    if are_logits:
        return wide.log_softmax(dim=0)
    # Of several networks together they need not sum to 1.
    return (wide / wide.sum(dim=0, keepdim=True)).log()


def _sums_by_class(log_p: Tensor, classes: Tensor) -> Tensor:
    """Sum of p (M, C) over the pixels of each class, (C, C)."""
    count = log_p.shape[1]
    rows = torch.nn.functional.one_hot(classes, count).to(log_p)
    # A product, as adding by index is not repeatable on a GPU.
    return rows.t() @ log_p.exp()
