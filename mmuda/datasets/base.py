# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Base of the data sets: any label ids, labels optional, early errors."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
from mmseg.datasets import BaseSegDataset

from mmuda.datasets.label_maps import label_set_metainfo, label_table
from mmuda.datasets.listing import (
    list_keys,
    read_split,
    require_folder,
    require_keys,
)
from mmuda.datasets.lookup import LabelTable, identity_table, lookup_table
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError


@DATASETS.register_module()
class DomainSegDataset(BaseSegDataset):
    """Segmentation images of one domain, labelled or not.

    Differs from mmseg's data sets in four ways: label files are read as they
    were published and mapped by a table at loading (use ``LoadLabels``), the
    classes are chosen by ``label_set``, labels need not exist if
    ``data_prefix`` has no ``seg_map_path``, and files that are missing are
    reported when the data set is built.

    Each sample has a ``key``, its image path relative to the image folder
    without ``img_suffix``; base names alone need not be unique (IDD).

    Args:
        data_prefix: ``img_path`` and, if labels are wanted, ``seg_map_path``:
            folders, relative to ``data_root`` or absolute.
        label_set: Classes to train, a key of ``LABEL_SETS``; None if
            ``metainfo`` gives classes of your own.
        label_table: How label files are numbered: a key of ``VALID_IDS`` or a
            table of your own, ``{id: train_id}`` or a list (see
            ``lookup_table``). None for files that hold train ids and 255.
        label_channel: Channel, in RGB order, with the class if label files
            have several.
        include: Patterns with ``*`` and ``?``; a key must match one of them,
            e.g. ``['train/*']`` for one folder of a split list.
        exclude: Keys to leave out, e.g. of files known to be faulty.
        metainfo: Overrides of mmseg's meta information.
        **kwargs: Passed to ``BaseSegDataset``; ``ann_file`` is a split list
            with one key a line. Files must be on a mounted disk.

    Raises:
        ConfigError: If the classes or the table are inconsistent.
        DataError: If a folder, split list, image or label is missing.
    """

    def __init__(
        self,
        data_prefix: Mapping[str, str | None],
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = None,
        label_channel: int | None = None,
        include: Sequence[str] = ('*',),
        exclude: Sequence[str] = (),
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        # A child config may switch labels off with seg_map_path=None.
        prefix = {k: v for k, v in data_prefix.items() if v is not None}
        if 'img_path' not in prefix:
            raise ConfigError(
                f'{type(self).__name__}: data_prefix needs img_path, the '
                f'folder of the images, got {dict(data_prefix)}'
            )
        indices = kwargs.get('indices')
        if indices is not None and not indices:
            raise ConfigError(
                f'{type(self).__name__}: indices={indices} leaves no image; '
                'give a number, a list, or None for all'
            )
        self.label_channel = label_channel
        self.include = tuple(include)
        self.exclude = frozenset(exclude)
        metainfo = _merge_metainfo(label_set, metainfo)
        self.num_classes = len(metainfo['classes'])
        self.label_lut = _build_lut(label_set, label_table, self.num_classes)
        super().__init__(data_prefix=prefix, metainfo=metainfo, **kwargs)
        if label_set is not None:
            # Set later: mmengine takes text for the name of a file.
            self._metainfo['label_set'] = label_set

    @property
    def has_labels(self) -> bool:
        """Whether the samples name a label file."""
        return 'seg_map_path' in self.data_prefix

    def load_data_list(self) -> list[dict]:
        """List the samples, sorted by key; all their files exist."""
        folder = self.data_prefix['img_path']
        require_folder(folder, 'data_prefix.img_path', self.data_root)
        images = list_keys(folder, self.img_suffix)
        keys = self._select_keys(images, folder)
        samples = [
            {'key': key, 'img_path': f'{folder}/{key}{self.img_suffix}'}
            for key in keys
        ]
        if self.has_labels:
            labels = self._list_labels(keys)
            for sample in samples:
                name = f'{sample["key"]}{self.seg_map_suffix}'
                sample['seg_map_path'] = f'{labels}/{name}'
        return samples

    def _select_keys(self, images: set[str], folder: str) -> list[str]:
        """Return the sorted keys of the split, each with an image."""
        if self.ann_file:
            keys = read_split(self.ann_file, self.img_suffix)
            reason = (
                f'they are listed in {self.ann_file!r}; complete the '
                'download, or correct img_suffix, data_prefix or the list'
            )
            require_keys(keys, images, folder, self.img_suffix, reason)
        else:
            keys = list(images)
        keys = sorted(key for key in keys if self._is_wanted(key))
        if not keys:
            raise DataError(
                f'no image {"*" + self.img_suffix!r} below {folder!r}; '
                'correct data_prefix.img_path, img_suffix, include or exclude'
            )
        return keys

    def _is_wanted(self, key: str) -> bool:
        """Whether ``include`` and ``exclude`` let a key through."""
        matches = any(fnmatchcase(key, pattern) for pattern in self.include)
        return matches and key not in self.exclude

    def _list_labels(self, keys: list[str]) -> str:
        """Return the label folder after checking that it has every key."""
        folder = self.data_prefix['seg_map_path']
        require_folder(folder, 'data_prefix.seg_map_path', self.data_root)
        reason = (
            'each image needs a label of the same key; complete the download, '
            'correct seg_map_suffix, add the keys to exclude, or leave '
            'seg_map_path out of data_prefix if labels are not needed'
        )
        found = list_keys(folder, self.seg_map_suffix)
        require_keys(keys, found, folder, self.seg_map_suffix, reason)
        return folder

    def get_data_info(self, idx: int) -> dict:
        """Return the sample with what the loading transforms need.

        The constant entries are added here and not stored with each sample,
        which keeps the table from being pickled tens of thousands of times.
        """
        info = super().get_data_info(idx)
        info.update(
            label_lut=self.label_lut,
            label_channel=self.label_channel,
            num_classes=self.num_classes,
            label_map=None,
            reduce_zero_label=False,
            seg_fields=[],
        )
        return info


def _merge_metainfo(label_set: str | None, metainfo: dict | None) -> dict:
    """Return meta information with classes as a tuple, and a palette."""
    own = dict(metainfo or {})
    if 'classes' in own:
        own['classes'] = tuple(own['classes'])
    if label_set is None:
        if not own.get('classes'):
            raise ConfigError(
                'label_set=None needs metainfo=dict(classes=[...]) with the '
                'names of the train ids in order'
            )
        return own
    merged = {**label_set_metainfo(label_set), **own}
    if merged['classes'] != label_set_metainfo(label_set)['classes']:
        raise ConfigError(
            f'metainfo.classes differ from those of label_set={label_set!r}; '
            'pass label_set=None to use your own'
        )
    return merged


def _build_lut(
    label_set: str | None,
    table: LabelTable,
    num_classes: int,
) -> np.ndarray:
    """Return the dense table, see ``lookup_table``."""
    if table is None:
        table = identity_table(num_classes)
    elif isinstance(table, str):
        if label_set is None:
            raise ConfigError(
                f'label_table={table!r} needs a label_set; with classes of '
                'your own write the table as {id: train_id}'
            )
        table = label_table(table, label_set)
    return lookup_table(table, num_classes)
