# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Looking at data before hours of training are spent on it."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import MMLogger
from rich.progress import track
from torch.utils.data import Dataset

from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.label_maps import IGNORE_ID
from mmuda.datasets.loading import LoadImage, LoadLabels
from mmuda.datasets.pseudo_label_checks import (
    check_domain_labels,
    iter_pseudo_label_loaders,
)
from mmuda.datasets.pseudo_label_transform import PseudoLabelTransform
from mmuda.utils.errors import DataError


def iter_domains(dataset: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Yield name and data set of each domain.

    A data set that is no ``DomainDataset`` is one domain, named after its
    class.
    """
    domains = getattr(dataset, 'domains', None)
    if domains is None:
        yield type(dataset).__name__, dataset
    else:
        yield from domains.items()


def load_raw(dataset: Dataset, index: int) -> dict:
    """Read image and label of a sample as they are on disk.

    Of the data set's own pipeline only the options of ``LoadImage`` and
    ``LoadLabels`` count. Labels are read if the data set names them and has a
    table.

    Returns:
        The sample with ``img`` and, if there are labels, ``gt_seg_map``.

    Raises:
        DataError: If a file is missing, damaged or inconsistent.
    """
    part = _part_of(dataset, index)
    sample = _step(part, LoadImage)(dataset.get_data_info(index))
    if 'seg_map_path' in sample and 'label_lut' in sample:
        sample = _step(part, LoadLabels)(sample)
    return sample


def _step(part: Dataset, kind: type[BaseTransform]) -> BaseTransform:
    """Return the loader of a pipeline, or one without options."""
    steps = (step for step in iter_transforms(part) if isinstance(step, kind))
    return next(steps, None) or kind()


def _part_of(dataset: Dataset, index: int) -> Dataset:
    """Return the data set inside wrappers that a sample comes from."""
    while True:
        if hasattr(dataset, 'cumulative_sizes'):
            ends = dataset.cumulative_sizes
            part = bisect_right(ends, index)
            index -= ends[part - 1] if part else 0
            dataset = dataset.datasets[part]
        elif hasattr(dataset, 'dataset'):
            dataset = dataset.dataset
            index %= len(dataset)
        else:
            return dataset


def _parts(name: str, domain: Dataset) -> dict[str, Dataset]:
    """Name the data sets that a domain is made of."""
    parts = getattr(domain, 'datasets', None)
    if parts is None:
        return {name: domain}
    return {f'{name}[{i}]': part for i, part in enumerate(parts)}


def describe_domains(dataset: Dataset) -> list[str]:
    """Read the first sample of each domain and describe it.

    Of a domain that is made of several data sets it is that of each.
    Pseudo-labels that a domain loads are checked to be finished and to be of
    its images and classes.

    Args:
        dataset: A ``DomainDataset`` or any segmentation data set.

    Returns:
        One line a data set: name, number of images, file and size of the
        first image, the classes in its label, and where the pseudo-labels of
        the domain are.

    Raises:
        ConfigError: If pseudo-labels are loaded at the wrong place.
        DataError: If that sample cannot be read, or pseudo-labels do not
            belong to the domain.
    """
    lines = []
    for name, domain in iter_domains(dataset):
        if len(domain) == 0:
            raise DataError(f'domain {name!r} has no images')
        found = [
            _describe_first(title, part)
            for title, part in _parts(name, domain).items()
        ]
        found[-1] = ', '.join([found[-1], *check_domain_labels(name, domain)])
        lines += found
    return lines


def _describe_first(name: str, dataset: Dataset) -> str:
    sample = load_raw(dataset, 0)
    height, width = sample['img_shape']
    return (
        f'{name}: {len(dataset)} images, first {sample["img_path"]} '
        f'({width}x{height}), {_describe_labels(sample, dataset)}'
    )


def _describe_labels(sample: dict, domain: Dataset) -> str:
    if 'gt_seg_map' not in sample:
        return 'labels not read'
    classes = domain.metainfo['classes']
    present = np.unique(sample['gt_seg_map'])
    names = [classes[i] for i in present if i != IGNORE_ID]
    share = (sample['gt_seg_map'] == IGNORE_ID).mean()
    return f'{share:.0%} ignored, classes: {", ".join(names) or "none"}'


def check_dataset(dataset: Dataset) -> None:
    """Log ``describe_domains``; a fault in a first sample raises.

    Raises:
        DataError: If a first sample cannot be read.
    """
    logger = MMLogger.get_current_instance()
    for line in describe_domains(dataset):
        logger.info(line)


def scan_dataset(
    dataset: Dataset, workers: int = 4, progress: bool = True
) -> list[str]:
    """Read the files of all samples and collect every fault.

    Files of pseudo-labels are read too; ``describe_domains`` checks that they
    are of this data.

    Args:
        dataset: A ``DomainDataset`` or any segmentation data set.
        workers: Number of reading threads; decoding releases the GIL.
        progress: Whether to show a bar for each domain.

    Returns:
        One message a faulty sample, in the order of the samples.
    """
    faults = []
    for name, domain in iter_domains(dataset):
        read = partial(load_raw, domain)
        found = _scan(name, read, len(domain), workers, progress)
        found += _scan_pseudo_labels(name, domain, workers, progress)
        faults.extend(f'{name}: {message}' for message in found)
    return faults


def describe_left_out(dataset: Dataset) -> list[str]:
    """Sum the polygons without an area that were left out of labels.

    Args:
        dataset: A data set after ``scan_dataset``; before, only the samples
            that were read in this process count.

    Returns:
        One line for each domain with such polygons (IDD).
    """
    lines = []
    for name, domain in iter_domains(dataset):
        reader = getattr(domain, 'label_reader', None)
        left_out = getattr(reader, 'left_out', {})
        if left_out:
            lines.append(
                f'{name}: left out {sum(left_out.values())} polygons with '
                'less than three different vertices, in '
                f'{len(left_out)} of {len(domain)} labels'
            )
    return lines


def _scan_pseudo_labels(
    name: str, domain: Dataset, workers: int, progress: bool
) -> list[str]:
    faults = []
    for part, loader in iter_pseudo_label_loaders(domain):
        try:
            loader.folder()
        except DataError as error:
            # Once, not for each image.
            faults.append(str(error))
            continue
        read = partial(_read_pseudo_label, part, loader)
        title = f'{name} pseudo-labels'
        faults += _scan(title, read, len(part), workers, progress)
    return faults


def _read_pseudo_label(
    part: Dataset, loader: PseudoLabelTransform, index: int
) -> None:
    loader.read(part.get_data_info(index))


def _scan(
    title: str,
    read: Callable[[int], object],
    count: int,
    workers: int,
    progress: bool,
) -> list[str]:
    """Return the messages of what ``read`` raises for each index."""

    def fault(index: int) -> str | None:
        try:
            read(index)
        except DataError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(max_workers=workers) as pool:
        results = track(
            pool.map(fault, range(count)),
            description=title,
            total=count,
            disable=not progress,
        )
        return [message for message in results if message is not None]
