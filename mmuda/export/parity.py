# Copyright (c) mmuda authors.
"""Whether an exported network computes what PyTorch does, and how fast."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmuda.utils.errors import CheckpointError

from .graph_files import Runner
from .image_segmentor import Output

Size = tuple[int, int]

#: Largest difference, as a part of the largest absolute logit of the image.
TOLERANCE = 1e-4
#: Share of pixels with the same class.
AGREEMENT = 0.9999
_RUNS = 3


@dataclass(frozen=True)
class Answer:
    """What a network says of some images.

    Attributes:
        image: (N, 3, H, W).
        outputs: One of each kind.
        seconds: For the images, the least of a few runs.
    """

    image: Tensor
    outputs: tuple[Tensor, ...]
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """How far two networks agree.

    Attributes:
        difference: Largest difference of a logit by the largest absolute
            logit of its images, or of a probability; 0 of labels alone,
            infinite if a number is not finite.
        agreement: Share of pixels with the same class.
        seconds: Time of PyTorch for an image of the first size.
        seconds_exported: That of the file.
        size: Height and width of that image.
    """

    difference: float
    agreement: float
    seconds: float
    seconds_exported: float
    size: Size


def street_like_images(count: int, size: Size, seed: int = 0) -> Tensor:
    """Images with flat regions, edges, gradients and noise.

    Args:
        count: Number N of images.
        size: Height and width.
        seed: Of what is drawn.

    Returns:
        (N, 3, H, W), whole levels from 0 to 255 as float32.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(rows: int, columns: int) -> Tensor:
        return torch.rand(count, 3, rows, columns, generator=generator)

    smooth = F.interpolate(drawn(4, 6), size, mode='bicubic')
    regions = F.interpolate(drawn(9, 13), size, mode='nearest')
    fine = F.interpolate(drawn(40, 60), size, mode='bilinear')
    mixed = 0.45 * smooth + 0.35 * regions + 0.15 * fine + 0.05 * drawn(*size)
    return (255 * mixed).clamp(0, 255).round()


def compared_images(size: Size, fixed: bool) -> list[Tensor]:
    """Three batches of images to compare networks on.

    Args:
        size: Height and width of the first.
        fixed: Whether all have that size; else one is smaller, of odd sides,
            and one has other proportions.
    """
    height, width = size
    sizes = [size] * 3
    if not fixed:
        odd = 3 * height // 4 // 2 * 2 + 1, 3 * width // 4 // 2 * 2 + 1
        sizes[1:] = odd, (height + 18, max(3 * width // 5, 1) + 6)
    return [
        street_like_images(1 + (number == 1), size, number)
        for number, size in enumerate(sizes)
    ]


def ask(runner: Runner, images: Sequence[Tensor]) -> list[Answer]:
    """Show images to a network, the first of them several times.

    Args:
        runner: From images to outputs.
        images: Batches.
    """
    answers = []
    for number, image in enumerate(images):
        times = []
        # The first run also prepares what later ones find prepared.
        for _ in range(1 + _RUNS if number == 0 else 1):
            start = time.perf_counter()
            with torch.no_grad():
                outputs = tuple(o.cpu() for o in runner(image))
            times.append(time.perf_counter() - start)
        answers.append(Answer(image, outputs, min(times)))
    return answers


def compare(
    expected: Sequence[Answer],
    found: Sequence[Answer],
    kinds: Sequence[Output],
) -> Comparison:
    """Compare answers to the same images.

    Args:
        expected: Of PyTorch.
        found: Of the file.
        kinds: Kinds of the outputs.
    """
    difference, same, pixels = 0.0, 0, 0
    for one, other in zip(expected, found, strict=True):
        for kind, ours, theirs in zip(
            kinds, one.outputs, other.outputs, strict=True
        ):
            # No number is larger than NaN, and none differs from it.
            if ours.shape != theirs.shape or not is_finite((ours, theirs)):
                return _unlike(expected, found)
            if kind != 'labels':
                scale = ours.abs().max().item() if kind == 'logits' else 1.0
                gap = (ours - theirs).abs().max().item()
                difference = max(difference, gap / max(scale, 1e-12))
            alike = labels_of(ours, kind) == labels_of(theirs, kind)
            same += int(alike.sum())
            pixels += alike.numel()
    height, width = expected[0].image.shape[2:]
    return Comparison(
        difference,
        same / pixels,
        expected[0].seconds,
        found[0].seconds,
        (height, width),
    )


def is_finite(outputs: Sequence[Tensor]) -> bool:
    """Whether all numbers of all outputs are finite."""
    return all(bool(output.isfinite().all()) for output in outputs)


def labels_of(output: Tensor, kind: Output) -> Tensor:
    """Classes (N, H, W) of an output."""
    if kind == 'labels':
        return output
    if output.shape[1] == 1:
        return output[:, 0] > 0
    return output.argmax(dim=1)


def require_equal(comparison: Comparison, file: str) -> None:
    """Refuse a file that computes something else.

    Raises:
        CheckpointError: Logits or classes differ by more than rounding.
    """
    if (
        comparison.difference <= TOLERANCE
        and comparison.agreement >= AGREEMENT
    ):
        return
    raise CheckpointError(
        f'{file} is not written: it would differ from PyTorch by '
        f'{comparison.difference:.1e} (at most {TOLERANCE:.0e} are rounding) '
        f'and agree on {comparison.agreement:.3%} of the pixels (at least '
        f'{AGREEMENT:.2%}); try --fixed-size, or another format'
    )


def _unlike(expected: Sequence[Answer], found: Sequence[Answer]) -> Comparison:
    height, width = expected[0].image.shape[2:]
    seconds = expected[0].seconds, found[0].seconds
    return Comparison(float('inf'), 0.0, *seconds, (height, width))
