# Copyright (c) mmuda authors.
"""Time of loading one image of each kind that people have, on one core."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmseg.datasets import BaseSegDataset
from PIL import Image

from benchmarks.measure import Row, paired_times, ratio_row
from benchmarks.setting import Size
from mmuda.registry import DATASETS
from street_scenes import render_scene

MAX_OF_PUBLISHED = 0.5
MAX_OF_DECODING = 1.3
# The second epoch five times as fast.
MAX_CACHED = 0.2
# Grain of a camera: generated scenes alone would be a tenth of real files.
_GRAIN = 4.0
_MEAN = (104.00698793, 116.66876762, 122.67891434)


class Kind(NamedTuple):
    """Images of a data set.

    Attributes:
        size: Width and height of the files.
        suffix: ``.png`` or ``.jpg``.
        seen: Width and height that a network sees.
    """

    size: Size
    suffix: str
    seen: Size


KINDS = {
    'GTA5': Kind((1914, 1052), '.png', (1280, 720)),
    'Cityscapes': Kind((2048, 1024), '.png', (1024, 512)),
    'BDD100K': Kind((1280, 720), '.jpg', (1024, 576)),
    'Vistas': Kind((4032, 3024), '.jpg', (1024, 768)),
}


def image_format_rows(
    folder: Path, factor: float = 1.0, **timing: Any
) -> list[Row]:
    """Time of our pipeline against the published one and bare decoding.

    The published loaders (ADVENT and those derived from it) open the file by
    Pillow, convert it to RGB, resize it bicubically and subtract the mean in
    float32. Bare decoding is OpenCV's.

    Args:
        folder: For generated images.
        factor: Multiplies the sizes of files and of what networks see.
        **timing: As of ``paired_times``.
    """
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    try:
        return [
            row
            for name, kind in KINDS.items()
            for row in _rows(
                folder / name, name, _scaled(kind, factor), timing
            )
        ]
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


def _rows(folder: Path, name: str, kind: Kind, timing: dict) -> list[Row]:
    path = write_image(folder, kind)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    plain, cached = (
        image_dataset(folder, kind, cache)
        for cache in (None, folder / 'cache')
    )
    variants: dict[str, Callable[[], object]] = {
        'ours': partial(plain.__getitem__, 0),
        'published': partial(load_as_published, path, kind.seen),
        'decoding': partial(cv2.imdecode, data, cv2.IMREAD_COLOR),
        'cached': partial(cached.__getitem__, 0),
    }
    cached[0]
    times = paired_times(variants, **timing)
    shutil.rmtree(folder)
    goals = (
        ('ours', 'published', MAX_OF_PUBLISHED),
        ('ours', 'decoding', MAX_OF_DECODING),
        ('cached', 'ours', MAX_CACHED),
    )
    return [
        ratio_row(
            'image_formats',
            f'{name}: {first} / {second}',
            times,
            first,
            second,
            goal,
        )
        for first, second, goal in goals
    ]


def write_image(folder: Path, kind: Kind) -> Path:
    """Write a street scene with the grain of a camera.

    Args:
        folder: Where ``images/a`` with the suffix of the kind is made.
        kind: What to write.
    """
    scene, _ = render_scene('cityscapes', 0, 0, kind.size)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, _GRAIN, scene.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.8) + rng.normal(
        0, 1, scene.shape
    ).astype(np.float32)
    image = np.clip(scene + noise, 0, 255).astype(np.uint8)
    path = folder / f'images/a{kind.suffix}'
    path.parent.mkdir(parents=True)
    Image.fromarray(image).save(path, quality=92)
    return path


def image_dataset(
    folder: Path, kind: Kind, cache: Path | None
) -> BaseSegDataset:
    """Our pipeline of an image without labels.

    Args:
        folder: See ``write_image``.
        kind: What was written.
        cache: Folder of the cache; None for none.
    """
    resize = dict(
        type='Resize',
        scale=kind.seen,
        interpolation='bicubic',
        backend='torch',
    )
    load, pack = dict(type='LoadImage'), dict(type='PackDomainInputs')
    config: dict[str, Any] = dict(
        type='FolderDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images'),
        img_suffix=kind.suffix,
        pipeline=[load, resize, pack],
    )
    if cache is not None:
        config['image_cache'] = dict(folder=str(cache), max_gb=1)
    return DATASETS.build(config)


def load_as_published(path: Path, size: Size) -> np.ndarray:
    """What ADVENT's data sets do with an image.

    Args:
        path: The file.
        size: Width and height.

    Returns:
        (3, H, W) float32, BGR.
    """
    with Image.open(path) as file:
        image = file.convert('RGB').resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, np.float32)[:, :, ::-1]
    pixels = pixels - np.asarray(_MEAN, np.float32)
    return pixels.transpose(2, 0, 1).copy()


def _scaled(kind: Kind, factor: float) -> Kind:
    size, seen = (
        (max(1, round(width * factor)), max(1, round(height * factor)))
        for width, height in (kind.size, kind.seen)
    )
    return kind._replace(size=size, seen=seen)
