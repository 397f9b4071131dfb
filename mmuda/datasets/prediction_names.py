# Copyright (c) mmuda authors.
"""Names of files that are written for the images of a data set."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from mmuda.datasets.domain_dataset import leaf_datasets
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.errors import ConfigError

SUFFIX = '.png'


def prediction_names(dataset: SegmentationDataset) -> dict[str, str]:
    """Name a file for each image, so that none overwrites another.

    The name is the key of the image, or in a data set of mmseg its path below
    the image folder, without the extension. Images that would share a name
    keep their extensions (``a.jpg.png`` beside ``a.png.png``), and those of
    several data sets the number of theirs as a folder, if need be.

    Args:
        dataset: Any segmentation data set, or several as one.

    Returns:
        Names with ``/`` and without ``.png``, by the path of the image.

    Raises:
        ConfigError: A data set does not say which images it has.
    """
    choices: dict[str, Sequence[str]] = {}
    for number, part in enumerate(leaf_datasets(dataset)):
        for path, name in _plain_names(part).items():
            extension = os.path.splitext(path)[1]
            choices.setdefault(
                path,
                (name, f'{name}{extension}', f'{number}/{name}{extension}'),
            )
    # The paths themselves differ.
    return _distinct({p: (*c, p.lstrip('/')) for p, c in choices.items()})


def file_names(files: Iterable[str]) -> dict[str, str]:
    """Name a file for each of some images, so that none overwrites another.

    Names that would be shared keep their extensions, as of
    :func:`prediction_names`.

    Args:
        files: Paths of the images below their folder, with ``/``.

    Returns:
        Names with ``/`` and without ``.png``, by path.
    """
    return _distinct(
        {path: (os.path.splitext(path)[0], path) for path in files}
    )


def _distinct(choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Choose the first name of each path that no other has."""
    chosen = dict.fromkeys(choices, 0)
    while True:
        names = {path: choices[path][i] for path, i in chosen.items()}
        shared = [p for p in _shared(names) if chosen[p] + 1 < len(choices[p])]
        if not shared:
            return names
        for path in shared:
            chosen[path] += 1


def image_paths(dataset: SegmentationDataset) -> list[str]:
    """Return the files of the images of a single data set."""
    indices = range(len(dataset))
    return [dataset.get_data_info(i)['img_path'] for i in indices]


def _plain_names(dataset: SegmentationDataset) -> dict[str, str]:
    if not hasattr(dataset, 'get_data_info'):
        raise ConfigError(
            f'images of {type(dataset).__name__} have no names for files of '
            'predictions; use a data set of mmuda, such as FolderDataset, or '
            'of mmseg'
        )
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    paths = image_paths(dataset)
    folder = _image_folder(dataset, paths)
    return {
        path: info.get('key')
        or os.path.splitext(os.path.relpath(path, folder))[0]
        for path, info in zip(paths, infos, strict=True)
    }


def _image_folder(dataset: SegmentationDataset, paths: Sequence[str]) -> str:
    prefix = getattr(dataset, 'data_prefix', None) or {}
    folder = prefix.get('img_path') or ''
    inside = os.path.join(folder, '')
    if folder and all(path.startswith(inside) for path in paths):
        return folder
    return os.path.commonpath([os.path.dirname(path) for path in paths])


def _shared(names: Mapping[str, str]) -> list[str]:
    """Paths of images whose file is another's too, or a folder of one."""
    counts = Counter(names.values())
    folders = {
        str(parent)
        for name in counts
        for parent in PurePosixPath(name).parents
    }
    return [
        path
        for path, name in names.items()
        if counts[name] > 1 or name + SUFFIX in folders
    ]
