# Copyright (c) mmuda authors.
"""Time of giving source images the colours of target images.

Compared with what the published script of co-training (Gómez et al., Sensors
2023) does for each source image: read it and a target image, convert both to
Lab by scikit-image in double precision, and write the result.
"""

import importlib
import importlib.util
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from benchmarks.measure import Row, Times, paired_times, ratio_row
from benchmarks.setting import Size
from mmuda.color.lab_uint8 import in_style, style_of
from mmuda.datasets.images.image_io import read_image
from mmuda.translation.lab_jobs import translate_file
from street_scenes import write_cityscapes, write_gta5

SECTION = 'lab_translation'
# Of GTA5 and of Cityscapes, and how many images they have.
SIZES = ((1914, 1052), (2048, 1024))
SOURCE_IMAGES, TARGET_IMAGES = 24_966, 2_975
# Five times as many images a second.
MAX_TIME = 1 / 5
Pair = tuple[Path, Path]


def lab_translation_rows(
    folder: Path,
    images: int,
    sizes: tuple[Size, Size] = SIZES,
    **timing: Any,
) -> list[Row]:
    """Time over that of the published way, both on one core.

    Without scikit-image there is nothing to compare with, but images a
    second.

    Args:
        folder: For generated images and translated ones.
        images: Number of images of source and of target.
        sizes: Width and height of source and target images.
        **timing: As of ``paired_times``.
    """
    pairs = make_pairs(folder, images, sizes)
    with _one_thread():
        if importlib.util.find_spec('skimage') is None:
            times = paired_times(_our_files(folder, pairs), **timing)
            return [_rate_row(times, images)]
        colors = _color_row(pairs[0], timing)
        variants = _our_files(folder, pairs)
        variants['published'] = lambda: [
            publish_file(*pair, folder / 'published.png') for pair in pairs
        ]
        times = paired_times(variants, **timing)
    files = ratio_row(
        SECTION, 'with PNG files', times, 'translation', 'published', MAX_TIME
    )
    whole, rate = _whole_row(times, images), _rate_row(times, images)
    return [colors, files, whole, rate]


def make_pairs(
    folder: Path, images: int, sizes: tuple[Size, Size] = SIZES
) -> list[Pair]:
    """Write street scenes.

    Args:
        folder: Where to write.
        images: Number of images of source and of target.
        sizes: Width and height of source and target images.

    Returns:
        A source and a target image each.
    """
    write_gta5(folder / 'source', images, size=sizes[0], progress=False)
    count = {'train': images}
    write_cityscapes(folder / 'target', count, size=sizes[1], progress=False)
    sources = sorted((folder / 'source/images').rglob('*.png'))
    targets = sorted((folder / 'target/leftImg8bit').rglob('*.png'))
    return list(zip(sources, targets, strict=True))


def publish(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Translate by scikit-image as the published script does.

    Args:
        source: (H, W, 3) uint8 RGB, no channel of Lab constant.
        target: (h, w, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    color = _skimage('color')
    lab, wanted = color.rgb2lab(source), color.rgb2lab(target)
    pixels = (0, 1)
    lab = (lab - lab.mean(pixels)) / lab.std(pixels)
    lab = lab * wanted.std(pixels) + wanted.mean(pixels)
    return np.rint(color.lab2rgb(lab).clip(0, 1) * 255).astype(np.uint8)


def publish_file(source: Path, target: Path, out: Path) -> None:
    """Translate a file by scikit-image.

    Args:
        source: The image.
        target: Image that gives its colours.
        out: File to write.
    """
    io = _skimage('io')
    result = publish(io.imread(source)[..., :3], io.imread(target))
    io.imsave(out, result, check_contrast=False)


def _our_files(folder: Path, pairs: list[Pair]) -> dict:
    styles = [style_of(read_image(target)) for _, target in pairs]

    def translate() -> None:
        for (source, _), style in zip(pairs, styles, strict=True):
            translate_file(source, folder / 'translated.png', folder, style)

    def measure() -> None:
        for _, target in pairs:
            style_of(read_image(target))

    return {'translation': translate, 'statistics': measure}


def _color_row(pair: Pair, timing: dict) -> Row:
    source, target = (read_image(path) for path in pair)
    style = style_of(target)
    rgb = [np.ascontiguousarray(x[..., ::-1]) for x in (source, target)]
    variants = {
        'translation': lambda: in_style(source, style),
        'published': lambda: publish(*rgb),
    }
    times = paired_times(variants, **timing)
    row = ratio_row(
        SECTION, 'colours alone', times, 'translation', 'published', MAX_TIME
    )
    ours = in_style(source, style)[..., ::-1].astype(int)
    gap = np.abs(ours - publish(*rgb)).max()
    return replace(row, detail=f'{row.detail}, up to {gap} grey level apart')


def _whole_row(times: Times, images: int) -> Row:
    """Ratio with the target images' statistics, which are made once."""
    share = TARGET_IMAGES / SOURCE_IMAGES
    parts = zip(*(times[name] for name in times), strict=True)
    ratio = statistics.median(
        (ours + share * measured) / published
        for ours, measured, published in parts
    )
    seconds = statistics.median(times['statistics']) / images
    return Row(
        SECTION,
        f'{SOURCE_IMAGES:,} PNG files, statistics of {TARGET_IMAGES:,}',
        ratio,
        goal=MAX_TIME,
        detail=f'statistics {1e3 * seconds:.3g} ms a target image',
    )


def _rate_row(times: Times, images: int) -> Row:
    rates = {
        name: images / statistics.median(seconds)
        for name, seconds in times.items()
    }
    return Row(
        SECTION,
        'PNG files on one core',
        rates['translation'],
        'images/s',
        detail=', '.join(f'{name} {rates[name]:.3g}' for name in rates),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _skimage(name: str) -> ModuleType:
    # By name, since only this comparison needs it.
    return importlib.import_module(f'skimage.{name}')
