# Copyright (c) mmuda authors.
"""Time of loading data, mapping labels and resuming the sampler."""

import statistics
import tracemalloc
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from benchmarks.measure import (
    Row,
    format_bytes,
    format_seconds,
    paired_times,
    ratio_row,
)
from benchmarks.memory import peak_bytes
from benchmarks.setting import Size, domain_configs, image_sizes, scaled
from mmuda.datasets.domain_dataset import DomainDataset, DomainIndex
from mmuda.datasets.images.image_io import map_ids
from mmuda.datasets.labels.label_maps import label_table, lookup_table
from mmuda.datasets.samplers import DomainInfiniteSampler
from mmuda.registry import DATASETS
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID
from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_synthia,
)

LABEL_SIZE = (1914, 1052)
MAX_REMAP_MILLISECONDS = 1.5
DOMAIN_SIZES = (25_000, 3_000)
ITERATION = 100_000
_WRITERS = {
    'GTA5Dataset': (write_gta5, (1914, 1052)),
    'SYNTHIADataset': (write_synthia, (1280, 760)),
    'CityscapesLabelIdsDataset': (write_cityscapes, (2048, 1024)),
}


def make_data(
    cfg: Config, folder: Path, images: int, factor: float = 1.0
) -> dict[str, str]:
    """Write street scenes where the config's data sets would be.

    Args:
        cfg: A training config; its data roots are changed.
        folder: Where to write.
        images: Number of images of each domain.
        factor: Multiplies the size that the data set has in reality.

    Returns:
        Data root by domain.

    Raises:
        ConfigError: There is no generator for a data set.
    """
    roots = {}
    for name, config in domain_configs(cfg).items():
        if config.type not in _WRITERS:
            raise ConfigError(
                f'{config.type}: only {", ".join(_WRITERS)} can be '
                f'generated; give --data-root {name}=FOLDER'
            )
        write, size = _WRITERS[config.type]
        count = images
        if write is write_cityscapes:
            count = {'train': images, 'val': images}
        roots[name] = str(folder / name)
        write(roots[name], count, size=scaled(size, factor), progress=False)
    override_data_roots(cfg, roots)
    return roots


def loading_rows(cfg: Config, images: int, **timing: Any) -> list[Row]:
    """Time of the training data set over that of Pillow for the same files.

    Both run in this process; Pillow decodes and resizes, nothing else.

    Args:
        cfg: A training config whose data exists.
        images: Number of images of each domain.
        **timing: As of ``paired_times``.
    """
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sizes = image_sizes(cfg)
    images = min(images, *dataset.sizes)
    samples = [
        (part.get_data_info(i), sizes.get(name, sizes['target']))
        for name, part in dataset.domains.items()
        for i in range(images)
    ]
    variants = {
        'pipeline': lambda: _load_all(dataset, images),
        'Pillow': lambda: [load_plainly(*sample) for sample in samples],
    }
    times = paired_times(variants, **timing)
    row = ratio_row(
        'loading',
        'data set / plain decode and resize',
        times,
        'pipeline',
        'Pillow',
    )
    rates = (
        f'{name} {len(samples) / statistics.median(seconds):.3g} images/s'
        for name, seconds in times.items()
    )
    return [Row(row.section, row.name, row.value, detail=' / '.join(rates))]


def load_plainly(info: Mapping[str, Any], size: Size) -> list[np.ndarray]:
    """Decode and resize the files of a sample by Pillow.

    Args:
        info: ``img_path`` and, for a labelled sample, ``seg_map_path``.
        size: Width and height.
    """
    with Image.open(info['img_path']) as file:
        image = file.convert('RGB').resize(size, Image.Resampling.BICUBIC)
    arrays = [np.asarray(image)]
    if info.get('seg_map_path'):
        with Image.open(info['seg_map_path']) as file:
            label = file.resize(size, Image.Resampling.NEAREST)
        arrays.append(np.asarray(label))
    return arrays


def _load_all(dataset: DomainDataset, images: int) -> None:
    for i in range(images):
        dataset[DomainIndex((i,) * len(dataset.domains), seed=i)]


def label_rows(**timing: Any) -> list[Row]:
    """Time of mapping the labels of a GTA5 image by table and by masks.

    Args:
        **timing: As of ``paired_times``.
    """
    table = label_table('gta5', 'cityscapes19')
    lut = lookup_table(table, 19)
    ids = random_ids(LABEL_SIZE, list(table))
    variants = {
        'table': lambda: map_ids(ids, lut, 'benchmark'),
        '19 masks': lambda: map_by_masks(ids, table),
    }
    times = paired_times(variants, **timing)
    milliseconds = 1e3 * statistics.median(times['table'])
    return [
        ratio_row('labels', 'table / 19 masks', times, 'table', '19 masks'),
        Row(
            'labels',
            f'table at {LABEL_SIZE[0]}x{LABEL_SIZE[1]}',
            milliseconds,
            'ms',
            MAX_REMAP_MILLISECONDS,
        ),
    ]


def random_ids(size: Size, ids: list[int]) -> np.ndarray:
    """Labels in blocks of 32 pixels, (H, W) uint8."""
    width, height = size
    shape = -(-height // 32), -(-width // 32)
    blocks = np.random.default_rng(0).choice(ids, shape).astype(np.uint8)
    blocks = blocks.repeat(32, axis=0).repeat(32, axis=1)
    return np.ascontiguousarray(blocks[:height, :width])


def map_by_masks(ids: np.ndarray, table: Mapping[int, int]) -> np.ndarray:
    """Train ids by one comparison and one masked write for each class."""
    train_ids = np.full_like(ids, IGNORE_ID)
    for label_id, train_id in table.items():
        if train_id != IGNORE_ID:
            train_ids[ids == label_id] = train_id
    return train_ids


def sampler_rows(**timing: Any) -> list[Row]:
    """Time and memory of the sampler's jump to a late iteration.

    Compared with drawing a hundredth of what is skipped.

    Args:
        **timing: As of ``paired_times``.
    """
    dataset = SimpleNamespace(sizes=DOMAIN_SIZES)

    def jump() -> DomainIndex:
        sampler = DomainInfiniteSampler(dataset, seed=0)
        sampler.skip(ITERATION)
        return next(iter(sampler))

    def draw() -> None:
        draws = iter(DomainInfiniteSampler(dataset, seed=0))
        for _ in islice(draws, ITERATION // 100):
            pass

    times = paired_times({'jump': jump, 'draws': draw}, **timing)
    seconds = statistics.median(times['jump'])
    walk = 100 * statistics.median(times['draws'])
    tensors = peak_bytes(jump)
    tracemalloc.start()
    jump()
    objects = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pairs = ' x '.join(f'{size:,}' for size in DOMAIN_SIZES)
    return [
        Row(
            'sampler',
            f'jump to iteration {ITERATION:,} / drawing all before',
            seconds / walk,
            detail=f'{format_seconds(seconds)} / {format_seconds(walk)} '
            f'(from {ITERATION // 100:,} draws)',
        ),
        Row(
            'sampler',
            f'memory of the jump, {pairs} images',
            tensors / 2**10,
            'KiB',
            detail=f'tensors; Python objects {format_bytes(objects)}',
        ),
    ]
