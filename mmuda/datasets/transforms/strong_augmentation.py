# Copyright (c) mmuda authors.
"""Strong augmentation of images that are trained on pseudo-labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import COUNT, SHARE
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID


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
        COUNT.require(num_ops, 'StrongAugmentation.num_ops')
        SHARE.require(prob, 'StrongAugmentation.prob')
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
        SHARE.require(ratio, 'Cutout.ratio')
        SHARE.require(prob, 'Cutout.prob')
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


# Value of all channels where an image is cut out or not covered.
GREY = 127


def _share(magnitude: float) -> float:
    """Share of the image in a mixture with black, grey or a blurred one."""
    return 0.05 + 0.9 * magnitude


# Images are BGR: mmcv's functions take them as they are, Pillow's would not.
_PHOTOMETRIC: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    'autocontrast': lambda image, m: mmcv.auto_contrast(image),
    'brightness': lambda image, m: mmcv.adjust_brightness(image, _share(m)),
    'color': lambda image, m: mmcv.adjust_color(image, _share(m)),
    'contrast': lambda image, m: mmcv.adjust_contrast(image, _share(m)),
    'equalize': lambda image, m: mmcv.imequalize(image),
    'identity': lambda image, m: image,
    'posterize': lambda image, m: mmcv.posterize(image, 4 + int(4 * m)),
    'sharpness': lambda image, m: mmcv.adjust_sharpness(image, _share(m)),
    'solarize': lambda image, m: mmcv.solarize(image, 256 - int(256 * m)),
}


def _rotate(pixels: np.ndarray, magnitude: float, **options) -> np.ndarray:
    return mmcv.imrotate(pixels, 30 * magnitude, **options)


def _shear(direction: str) -> Callable[..., np.ndarray]:
    def shear(pixels: np.ndarray, magnitude: float, **options) -> np.ndarray:
        return mmcv.imshear(pixels, 0.3 * magnitude, direction, **options)

    return shear


def _translate(direction: str, axis: int) -> Callable[..., np.ndarray]:
    def translate(
        pixels: np.ndarray, magnitude: float, **options
    ) -> np.ndarray:
        offset = int(0.3 * magnitude * pixels.shape[axis])
        return mmcv.imtranslate(pixels, offset, direction, **options)

    return translate


_GEOMETRIC: dict[str, Callable[..., np.ndarray]] = {
    'rotate': _rotate,
    'shear_x': _shear('horizontal'),
    'shear_y': _shear('vertical'),
    'translate_x': _translate('horizontal', axis=1),
    'translate_y': _translate('vertical', axis=0),
}

GEOMETRIC_OPERATIONS = tuple(_GEOMETRIC)
OPERATIONS = tuple(sorted(_PHOTOMETRIC | _GEOMETRIC))


def apply_operations(
    image: np.ndarray,
    label_maps: Mapping[str, np.ndarray],
    operations: Iterable[tuple[str, float]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Change an image by some operations, and move label maps with it.

    Label maps follow every operation in its turn. Published code replays
    them in a fixed order, and only the last of two equal operations, so that
    they no longer match the image.

    Args:
        image: (H, W, 3) uint8, BGR; interpolated bilinearly, 127 where
            nothing of it comes to lie.
        label_maps: Each (H, W) train ids, or (H, W, C) probabilities; of
            each pixel, the nearest is taken whole, ``no_label`` where the
            image is 127.
        operations: Names and magnitudes, in [0, 1], geometric ones in
            [-1, 1]. At a magnitude of 1 an image is rotated by 30 degrees
            about its centre, sheared by 0.3 along its first row or column,
            translated by 0.3 of its size, solarized from 0 on; at 0,
            posterized to 4 bits, and its share in brightness, color, contrast
            and sharpness is 0.05. The others have one strength only.

    Returns:
        The new image and label maps; what was given is left as it is, but
        may be returned itself.
    """
    # Of each pixel the number of the one that came to lie there, or -1. One
    # map for all labels: they stay aligned, whatever their type and number of
    # channels, for which OpenCV has code of its own each.
    source: np.ndarray = np.arange(image[..., 0].size, dtype=np.int32)
    source = source.reshape(image.shape[:2])
    grey = (GREY,) * image.shape[2]
    still = True
    for operation, magnitude in operations:
        if operation in _PHOTOMETRIC:
            image = _PHOTOMETRIC[operation](image, magnitude)
            continue
        still = False
        move = partial(_GEOMETRIC[operation], magnitude=magnitude)
        image = move(image, interpolation='bilinear', border_value=grey)
        source = move(source, interpolation='nearest', border_value=-1)
    if still:
        return image, dict(label_maps)
    # Borders are mixed with what is beside them: no pixel without a label
    # shall show a rest of the image.
    image[source < 0] = GREY
    return image, {key: _take(label_maps[key], source) for key in label_maps}


def no_label(label_map: np.ndarray) -> int:
    """Value of a label map where there is no label.

    Args:
        label_map: (H, W) train ids, or (H, W, C) probabilities.

    Returns:
        255 for train ids, 0 for probabilities.
    """
    return 0 if np.issubdtype(label_map.dtype, np.floating) else IGNORE_ID


def _take(label_map: np.ndarray, source: np.ndarray) -> np.ndarray:
    rows, columns = np.divmod(source, label_map.shape[1])
    moved = label_map[rows, columns]
    moved[source < 0] = no_label(label_map)
    return moved
