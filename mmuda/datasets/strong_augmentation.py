# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Strong augmentation of images that are trained on pseudo-labels."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmuda.datasets.augmentation_ops import (
    GEOMETRIC_OPERATIONS,
    GREY,
    OPERATIONS,
    apply_operations,
    no_label,
)
from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import SHARE
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError


@TRANSFORMS.register_module()
class StrongAugmentation(BaseTransform):
    """Apply randomly drawn operations of random strength.

    The random augmentation of FixMatch (Sohn et al., NeurIPS 2020) in the
    form of ProDA (Zhang et al., CVPR 2021), CoaST and MLCL: each operation is
    drawn with replacement, its magnitude from 0.1, 0.2, ..., 0.9, and if it
    is geometric, its sign. Operations that move pixels move all label maps
    alike, in the order of drawing: train ids and soft labels are those of the
    nearest pixel, uncovered ones get 255 and zeros, the image 127 there. See
    ``apply_operations`` for what a magnitude is.

    Put it after the transforms that load labels, and ``RandomFlip``, which
    the published recipe has too, beside it.

    Modified keys: ``img``, all ``seg_fields``.

    Args:
        num_ops: Number of operations that are drawn.
        prob: Probability that a drawn operation is applied.
        operations: Names of those to draw from; None for all fourteen:
            autocontrast, brightness, color, contrast, equalize, identity,
            posterize, rotate, sharpness, shear_x, shear_y, solarize,
            translate_x and translate_y. One named twice is drawn twice as
            often.

    Raises:
        ConfigError: If an argument is unknown or outside its range, the
            image is not one of 8 bit, or a label map differs from it in size.
    """

    def __init__(
        self,
        num_ops: int = 2,
        prob: float = 0.5,
        operations: Sequence[str] | None = None,
    ) -> None:
        whole = isinstance(num_ops, int) and not isinstance(num_ops, bool)
        if not whole or num_ops < 1:
            raise ConfigError(
                'StrongAugmentation: num_ops must be a whole number of at '
                f'least 1, not {num_ops!r}'
            )
        _require_share('StrongAugmentation', 'prob', prob)
        operations = OPERATIONS if operations is None else operations
        _require_operations(operations)
        self.num_ops = num_ops
        self.prob = prob
        self.operations = list(operations)

    @cache_randomness
    def draw_operations(self) -> list[tuple[str, float]]:
        """Draw the operations to apply: names and magnitudes, in order."""
        drawn = []
        for _ in range(self.num_ops):
            operation = self.operations[
                np.random.randint(len(self.operations))
            ]
            magnitude = np.random.randint(1, 10) / 10
            if operation in GEOMETRIC_OPERATIONS and np.random.rand() < 0.5:
                magnitude = -magnitude
            if np.random.rand() < self.prob:
                drawn.append((operation, magnitude))
        return drawn

    def transform(self, results: dict) -> dict:
        """Change the image, and move all label maps with it."""
        label_maps = _label_maps(results, 'StrongAugmentation')
        results['img'], moved = apply_operations(
            results['img'], label_maps, self.draw_operations()
        )
        results.update(moved)
        return results

    def __repr__(self) -> str:
        return (
            f'StrongAugmentation(num_ops={self.num_ops}, prob={self.prob}, '
            f'operations={self.operations})'
        )


@TRANSFORMS.register_module()
class Cutout(BaseTransform):
    """Cover a square of the image with grey, and forget its labels.

    Cutout (DeVries and Taylor, 2017) as in ProDA, CoaST and MLCL. The centre
    is anywhere in the image, so a part of the square may lie outside.

    mmseg's ``RandomCutOut`` can't take its place: it writes one value into
    all label maps, 255 also into soft labels, and its holes have a fixed size
    or shares of both sides, and their upper left corners in the image.

    Modified keys: ``img`` (127 in the square), all ``seg_fields`` (255 in
    train ids, zeros in soft labels).

    Args:
        ratio: Side of the square relative to the shorter side of the image,
            cut to whole pixels.
        prob: Probability of cutting.

    Raises:
        ConfigError: If an argument is outside its range, the image is not one
            of 8 bit, or a label map differs from it in size.
    """

    def __init__(self, ratio: float = 1 / 3, prob: float = 1.0) -> None:
        _require_share('Cutout', 'ratio', ratio)
        _require_share('Cutout', 'prob', prob)
        self.ratio = ratio
        self.prob = prob

    @cache_randomness
    def draw_center(self) -> tuple[float, float] | None:
        """Draw the centre as shares of height and width; None: do not cut."""
        if np.random.rand() >= self.prob:
            return None
        return np.random.rand(), np.random.rand()

    def transform(self, results: dict) -> dict:
        """Cut the same square out of the image and all label maps."""
        label_maps = _label_maps(results, 'Cutout')
        center = self.draw_center()
        if center is None:
            return results
        shape = results['img'].shape[:2]
        side = int(min(shape) * self.ratio)
        square = tuple(
            slice(max(0, start), max(0, start + side))
            for start in (
                int(share * size) - side // 2
                for share, size in zip(center, shape, strict=True)
            )
        )
        values = {key: no_label(labels) for key, labels in label_maps.items()}
        for key, value in ({'img': GREY} | values).items():
            results[key] = results[key].copy()
            results[key][square] = value
        return results

    def __repr__(self) -> str:
        return f'Cutout(ratio={self.ratio}, prob={self.prob})'


def _require_share(transform: str, name: str, value: float) -> None:
    if not SHARE.fits(value):
        raise ConfigError(
            f'{transform}: {name} must be a number in [0, 1], not {value!r}'
        )


def _require_operations(operations: Sequence[str]) -> None:
    named = isinstance(operations, Sequence) and not isinstance(
        operations, str
    )
    if not named or not operations:
        raise ConfigError(
            'StrongAugmentation: operations must be a list of names, or None '
            f'for all, not {operations!r}; there are {list(OPERATIONS)}'
        )
    for operation in operations:
        if operation not in OPERATIONS:
            raise ConfigError(
                f'StrongAugmentation: operations has {operation!r}'
                f'{did_you_mean(str(operation), OPERATIONS)}; there are '
                f'{list(OPERATIONS)}'
            )


def _label_maps(results: dict, transform: str) -> dict[str, np.ndarray]:
    """Return the label maps of a sample after checks of what it holds."""
    image = results['img']
    if image.dtype != np.uint8:
        raise ConfigError(
            f'{transform} needs images of 8 bit, got {image.dtype}; put it '
            'before the transform that changes their type'
        )
    label_maps = {key: results[key] for key in results.get('seg_fields', [])}
    for key, labels in label_maps.items():
        if labels.shape[:2] != image.shape[:2]:
            raise ConfigError(
                f'{transform}: {key} is {labels.shape[:2]}, the image '
                f'{image.shape[:2]}; load labels in the size of the image'
            )
    return label_maps
