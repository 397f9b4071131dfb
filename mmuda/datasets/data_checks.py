# Copyright (c) mmuda authors.
"""Looking at data before hours of training are spent on it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from mmengine.logging import MMLogger

from mmuda.datasets.class_gaps import LabelsSeen, unlabelled_classes
from mmuda.datasets.domain_dataset import DomainDataset, iter_leaves
from mmuda.datasets.labels.label_content import LabelContent
from mmuda.datasets.labels.label_verdict import Verdict, judge_labels
from mmuda.datasets.labels.named_ids import (
    describe_coverage,
    unnamed_warnings,
)
from mmuda.datasets.pseudo_labels.pseudo_label_checks import (
    check_domain_labels,
    iter_pseudo_label_loaders,
)
from mmuda.datasets.raw_samples import (
    Reading,
    load_raw,
    read_label_facts,
    read_sample,
    unlike_channels,
)
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.datasets.transforms.pseudo_label_loading import PseudoLabelTransform
from mmuda.utils.errors import DataError
from mmuda.utils.jobs import in_threads

__all__ = [
    'Report',
    'check_dataset',
    'describe_domains',
    'describe_left_out',
    'examine_dataset',
    'iter_domains',
    'load_raw',
    'scan_dataset',
]

# Samples of a data set that are read at the start, and labels where those of
# these samples are odd in a way that others may refute.
_SAMPLES = 16
_LABELS = 256
# Of data sets without labels, where nothing is looked up.
_NO_TABLE = np.zeros(0, np.uint8)

AnyDataset = DomainDataset | SegmentationDataset

# Calls a function for some indices in threads: title, function, indices.
_Run = Callable[[str, Callable[[int], object], Sequence[int]], list]


class Report(NamedTuple):
    """What was found out about data.

    Attributes:
        lines: One a data set: name, numbers of images and of those that were
            read, file and size of the first, the classes in the labels that
            were read, and where the pseudo-labels of the domain are.
        faults: Samples that can't be used, in their order.
        doubts: Labels that hold what makes training worthless.
        incomplete: Labels without images.
        warnings: What may be meant so.
        seen: What is known of the labels of each data set that has some.
    """

    lines: list[str]
    faults: list[str]
    doubts: list[str]
    incomplete: list[str]
    warnings: list[str]
    seen: list[LabelsSeen]


def iter_domains(
    dataset: AnyDataset,
) -> Iterator[tuple[str, SegmentationDataset]]:
    """Yield name and data set of each domain.

    A data set that is no ``DomainDataset`` is one domain, named after its
    class.
    """
    if isinstance(dataset, DomainDataset):
        yield from dataset.domains.items()
    else:
        yield type(dataset).__name__, dataset


def examine_dataset(
    dataset: AnyDataset,
    every: bool = False,
    workers: int = 4,
    progress: bool = False,
) -> Report:
    """Read samples of each domain, and judge their labels together.

    Pseudo-labels that a domain loads are checked to be finished and to be of
    its images and classes; with ``every`` their files are read too.

    Args:
        dataset: A ``DomainDataset`` or any segmentation data set.
        every: Read all samples; otherwise a few of each data set, spread over
            it, the first one among them.
        workers: Number of reading threads; decoding releases the GIL.
        progress: Whether to show a bar for each data set.

    Raises:
        ConfigError: If pseudo-labels are loaded at the wrong place.
        DataError: If a domain has no images, or pseudo-labels do not belong
            to it.
    """
    report = Report([], [], [], [], [], [])
    run = partial(_call_all, workers=workers, progress=progress)
    for name, domain in iter_domains(dataset):
        if len(domain) == 0:
            raise DataError(f'domain {name!r} has no images')
        faults = len(report.faults)
        for title, leaf in iter_leaves(name, domain):
            _examine(title, leaf, report, every, run)
        if every:
            found = _scan_pseudo_labels(name, domain, run)
            report.faults.extend(f'{name}: {message}' for message in found)
        if len(report.faults) == faults:
            words = check_domain_labels(name, domain)
            report.lines[-1] = ', '.join([report.lines[-1], *words])
    return report


def _examine(
    name: str,
    leaf: SegmentationDataset,
    report: Report,
    every: bool,
    run: _Run,
) -> None:
    """Add what is found out about a data set to a report."""
    count = len(leaf)
    indices = range(count) if every else _spread(count, _SAMPLES)
    readings = run(name, partial(read_sample, leaf), indices)
    faults = [r.fault for r in readings if r.fault is not None]
    of_index = dict(zip(indices, readings, strict=True))
    faults += unlike_channels(leaf, of_index)
    report.faults.extend(f'{name}: {fault}' for fault in faults)
    content = LabelContent(leaf.get_data_info(0).get('label_lut', _NO_TABLE))
    for reading in readings:
        if reading.facts is not None:
            content.add(reading.facts)
    verdict = _judge(leaf, content)
    if verdict.may_change and len(content.paths) < count:
        more = sorted({*_spread(count, _LABELS)}.difference(indices))
        for facts in run(name, partial(read_label_facts, leaf), more):
            if facts is not None:
                content.add(facts)
        verdict = _judge(leaf, content)
    report.doubts.extend(f'{name}: {doubt}' for doubt in verdict.doubts)
    report.warnings.extend(f'{name}: {text}' for text in verdict.warnings)
    named = getattr(leaf, 'named_ids', None)
    if named is not None and content.paths:
        unnamed = unnamed_warnings(content, named)
        report.warnings.extend(f'{name}: {text}' for text in unnamed)
    report.warnings.extend(_lost_words(name, readings))
    report.incomplete.extend(_orphans(name, leaf))
    if content.paths:
        report.seen.append(_labels_seen(name, leaf, content))
    if not faults:
        words = _describe_labels(content, leaf.metainfo['classes'], named)
        report.lines.append(_describe(name, leaf, readings, words))


def _labels_seen(
    name: str, leaf: SegmentationDataset, content: LabelContent
) -> LabelsSeen:
    classes = tuple(leaf.metainfo['classes'])
    return LabelsSeen(
        name,
        classes,
        unlabelled_classes(content.lut, classes),
        tuple(classes[i] for i in sorted(content.classes)),
        len(content.paths),
    )


def _lost_words(name: str, readings: Sequence[Reading]) -> list[str]:
    """Tell once of what image files have and is not read."""
    lost = [reading.lost for reading in readings if reading.lost is not None]
    if not lost:
        return []
    return [
        f'{name}: {len(lost)} of {len(readings)} images have {lost[0]} are '
        "read; LoadImage(color_type='unchanged') reads all, if the network "
        'and mean and std of data_preprocessor are made for it'
    ]


def _judge(leaf: SegmentationDataset, content: LabelContent) -> Verdict:
    return judge_labels(
        content,
        leaf.metainfo['classes'],
        getattr(leaf, 'id_list', None),
        is_whole=len(content.paths) == len(leaf),
        is_named=getattr(leaf, 'named_ids', None) is not None,
    )


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many indices, spread from the first to the last."""
    places = np.linspace(0, count - 1, min(count, most), dtype=int)
    return np.unique(places).tolist()


def _orphans(name: str, leaf: SegmentationDataset) -> list[str]:
    """Tell how many labels have no image."""
    if not isinstance(leaf, DomainSegDataset) or not leaf.orphans:
        return []
    orphans = leaf.orphans
    first = leaf.label_files.path(orphans[0] + leaf.seg_map_suffix)
    return [
        f'{name}: {len(orphans)} label(s) have no image, the first is '
        f'{first!r}, beside {len(leaf)} that have one; complete the download '
        'of the images, or name those to use in ann_file'
    ]


def _describe(
    name: str,
    leaf: SegmentationDataset,
    readings: Sequence[Reading],
    labels: str,
) -> str:
    shape = readings[0].shape
    assert shape is not None, 'data sets with faults are not described'
    height, width = shape[:2]
    path = leaf.get_data_info(0)['img_path']
    return (
        f'{name}: {len(leaf)} images, {len(readings)} read, first {path} '
        f'({width}x{height}), {labels}'
    )


def _describe_labels(
    content: LabelContent,
    classes: Sequence[str],
    named: frozenset[int] | None,
) -> str:
    if not content.paths:
        return 'labels not read'
    if named is not None:
        return describe_coverage(content, classes)
    found = content.classes
    share = 1 - sum(found.values()) / content.pixels
    names = [classes[i] for i in sorted(found)]
    return f'{share:.0%} ignored, classes: {", ".join(names) or "none"}'


def describe_domains(dataset: AnyDataset) -> list[str]:
    """Read a few samples of each domain and describe them.

    Args:
        dataset: A ``DomainDataset`` or any segmentation data set.

    Returns:
        The lines of a :class:`Report`.

    Raises:
        ConfigError: If pseudo-labels are loaded at the wrong place.
        DataError: If a sample cannot be read, labels hold what makes
            training worthless, or pseudo-labels do not belong to the domain.
    """
    report = examine_dataset(dataset)
    require_sound(report)
    return report.lines


def require_sound(report: Report) -> None:
    """Raise a DataError with the first doubt or fault of a report."""
    # What holds for all labels says more than one of them.
    found = report.doubts + report.faults
    if found:
        more = f' (and {len(found) - 1} more)' if len(found) > 1 else ''
        raise DataError(f'{found[0]}{more}')


def check_dataset(dataset: AnyDataset) -> None:
    """Log what ``examine_dataset`` finds; a fault or doubt raises.

    Raises:
        ConfigError: As of ``describe_domains``.
        DataError: As of ``describe_domains``.
    """
    report = examine_dataset(dataset)
    require_sound(report)
    logger = MMLogger.get_current_instance()
    for line in report.lines:
        logger.info(line)
    for line in report.incomplete + report.warnings:
        logger.warning(line)


def scan_dataset(
    dataset: AnyDataset, workers: int = 4, progress: bool = True
) -> list[str]:
    """Read the files of all samples and collect every fault.

    Args:
        dataset: A ``DomainDataset`` or any segmentation data set.
        workers: Number of reading threads; decoding releases the GIL.
        progress: Whether to show a bar for each domain.

    Returns:
        What is wrong with all labels of a domain, labels without images, and
        one message a faulty sample, in the order of the samples.
    """
    report = examine_dataset(dataset, True, workers, progress)
    return report.doubts + report.incomplete + report.faults


def describe_left_out(dataset: AnyDataset) -> list[str]:
    """Sum the polygons without an area that were left out of labels.

    Args:
        dataset: A data set after ``scan_dataset``; before, only the samples
            that were read in this process count.

    Returns:
        One line for each data set with such polygons (IDD).
    """
    lines = []
    for domain, joined in iter_domains(dataset):
        for name, leaf in iter_leaves(domain, joined):
            reader = getattr(leaf, 'label_reader', None)
            left_out = getattr(reader, 'left_out', {})
            if left_out:
                lines.append(
                    f'{name}: left out {sum(left_out.values())} polygons with '
                    'less than three different vertices, in '
                    f'{len(left_out)} of the labels that were read'
                )
    return lines


def _scan_pseudo_labels(
    name: str, domain: SegmentationDataset, run: _Run
) -> list[str]:
    faults = []
    for part, loader in iter_pseudo_label_loaders(domain):
        try:
            loader.folder()
        except DataError as error:
            # Once, not for each image.
            faults.append(str(error))
            continue
        read = partial(_pseudo_label_fault, part, loader)
        title = f'{name} pseudo-labels'
        found = run(title, read, range(len(part)))
        faults += [fault for fault in found if fault is not None]
    return faults


def _pseudo_label_fault(
    part: SegmentationDataset, loader: PseudoLabelTransform, index: int
) -> str | None:
    try:
        loader.read(part.get_data_info(index))
    except DataError as error:
        return str(error)
    return None


def _call_all(
    title: str,
    read: Callable[[int], object],
    indices: Sequence[int],
    workers: int,
    progress: bool,
) -> list:
    """Return what ``read`` gives for each index, in their order."""
    calls, shown = ((index,) for index in indices), title if progress else None
    with in_threads(read, calls, workers, shown, len(indices)) as results:
        return list(results)
