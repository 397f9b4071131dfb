# Copyright (c) mmuda authors.
"""Finding out before training that pseudo-labels are not those of the data."""

from collections.abc import Iterable, Iterator, Sequence

from mmcv.transforms import Pad, RandomFlip, Resize
from mmseg.datasets.transforms import RandomCrop, RandomRotate, RandomRotFlip

from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.pseudo_labels.pseudo_label_store import check_pseudo_labels
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.transforms.fitting import ResizeToFit
from mmuda.datasets.transforms.pseudo_label_loading import (
    LoadSoftPseudoLabels,
    PseudoLabelTransform,
)
from mmuda.datasets.transforms.strong_augmentation import (
    Cutout,
    StrongAugmentation,
)
from mmuda.utils.errors import ConfigError, DataError

_MOVES = (
    Cutout,
    RandomCrop,
    RandomFlip,
    RandomRotFlip,
    RandomRotate,
    StrongAugmentation,
)
# Those that move pixels in between, or fill label maps with 255.
_INTERPOLATES = (Pad, RandomRotFlip, RandomRotate, Resize, ResizeToFit)


def iter_pseudo_label_loaders(
    domain: SegmentationDataset,
) -> Iterator[tuple[SegmentationDataset, PseudoLabelTransform]]:
    """Yield the transforms that load pseudo-labels, each with its data set.

    Args:
        domain: A data set, or a concatenation of several.
    """
    parts = getattr(domain, 'datasets', None)
    if parts is None:
        inner = getattr(domain, 'dataset', None)
        parts = [] if inner is None else [inner]
    for part in parts:
        yield from iter_pseudo_label_loaders(part)
    if not parts:
        for transform in iter_transforms(domain):
            if isinstance(transform, PseudoLabelTransform):
                yield domain, transform


def unique_keys(datasets: Iterable[SegmentationDataset]) -> list[str]:
    """Return the keys of all images of some data sets.

    Args:
        datasets: ``DomainSegDataset`` each.

    Raises:
        ConfigError: If images of a data set have no key.
        DataError: If two images have the same key.
    """
    paths: dict[str, str] = {}
    for dataset in datasets:
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            if 'key' not in info:
                raise ConfigError(
                    f'images of {type(dataset).__name__} have no key to find '
                    'their pseudo-labels by; use a data set of mmuda, such '
                    'as FolderDataset'
                )
            key, path = info['key'], info['img_path']
            if key in paths:
                raise DataError(
                    f'images {paths[key]!r} and {path!r} have the same key '
                    f'{key!r}, so they would share one pseudo-label; set '
                    'data_prefix.img_path of both to a folder above them, '
                    'and choose the images by include or ann_file'
                )
            paths[key] = path
    return list(paths)


def check_domain_labels(name: str, domain: SegmentationDataset) -> list[str]:
    """Check the pseudo-labels that a domain reads.

    Args:
        name: Name of the domain.
        domain: Its data set, or a concatenation of several.

    Returns:
        A few words on each folder of pseudo-labels.

    Raises:
        ConfigError: If they are loaded at the wrong place of the pipeline.
        DataError: If they are unfinished, or of other images or classes.
    """
    folders: dict[tuple, list[SegmentationDataset]] = {}
    loaders = {}
    for part, loader in iter_pseudo_label_loaders(domain):
        _check_order(name, list(iter_transforms(part)), loader)
        place = str(loader.pseudo_label_root), loader.suffix
        folders.setdefault(place, []).append(part)
        loaders[place] = loader
    classes = domain.metainfo['classes']
    try:
        return [
            _check_folder(loaders[place], classes, unique_keys(parts))
            for place, parts in folders.items()
        ]
    except DataError as error:
        raise DataError(f'domain {name!r}: {error}') from error


def _check_folder(
    loader: PseudoLabelTransform, classes: Sequence[str], keys: list[str]
) -> str:
    """Check a folder that images with some keys use, and describe it."""
    folder = loader.folder()
    if folder is None:
        return f'no pseudo-labels yet in {loader.pseudo_label_root}'
    if loader.trust:
        return f'pseudo-labels in {folder}, not checked'
    manifest = check_pseudo_labels(folder, classes, keys, loader.suffix)
    kept = sum(manifest.kept.values()) / max(sum(manifest.pixels.values()), 1)
    return f'pseudo-labels in {folder}, {kept:.0%} kept'


def _check_order(name: str, steps: list, loader: PseudoLabelTransform) -> None:
    """Raise a ConfigError if labels and image would not match."""
    place = next(i for i, step in enumerate(steps) if step is loader)
    early = [step for step in steps[:place] if isinstance(step, _MOVES)]
    late = [step for step in steps[place:] if _interpolates(step)]
    kind = type(loader).__name__
    if early:
        raise ConfigError(
            f'domain {name!r}: {type(early[0]).__name__} comes before {kind} '
            'in its pipeline, so the image would move without its '
            'pseudo-label; put it after'
        )
    if late and isinstance(loader, LoadSoftPseudoLabels):
        raise ConfigError(
            f'domain {name!r}: {type(late[0]).__name__} comes after {kind} '
            'in its pipeline, which only crops and flips may; put it before: '
            'probabilities are resized to the image when they are loaded'
        )


def _interpolates(step: object) -> bool:
    # Random resizing holds a Resize of its own.
    inner = getattr(step, 'resize', None)
    return isinstance(step, _INTERPOLATES) or isinstance(inner, Resize)
