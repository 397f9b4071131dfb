# Copyright (c) mmuda authors.
"""Base of the data sets: any label ids, labels optional, early errors."""

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from mmseg.datasets import BaseSegDataset

from mmuda.datasets.class_gaps import UNLABELLED, unlabelled_classes
from mmuda.datasets.labels.label_frame import LabelFrame
from mmuda.datasets.labels.label_maps import (
    LabelTable,
    identity_table,
    label_set_metainfo,
    label_table,
    lookup_table,
)
from mmuda.datasets.labels.label_verdict import check_file_names
from mmuda.datasets.labels.named_ids import LabelMap, one_form
from mmuda.datasets.sets.file_places import FilePlaces
from mmuda.datasets.sets.listing import (
    keys_with_suffix,
    other_images,
    require_keys,
)
from mmuda.datasets.sets.split_lists import chosen_keys, split_keys
from mmuda.datasets.transforms.cached_steps import (
    cache_first_steps,
    open_cache,
)
from mmuda.registry import DATASETS
from mmuda.utils.checks import is_whole
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.text import shorten

# What may stand between a key and what tells its files apart.
_MARK = re.compile('[-_.]')


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
            folders, relative to ``data_root`` or absolute. A part that is
            ``*`` stands for any folder, with whose name keys then begin (see
            ``FilePlaces``): ``rgb_anon/*/train`` of ACDC.
        label_set: Classes to train, a key of ``LABEL_SETS``; None if
            ``metainfo`` gives classes of your own.
        label_table: How label files are numbered: a key of ``VALID_IDS`` or a
            table of your own, ``{id: train_id}`` or a list (see
            ``lookup_table``). ``'train_ids'`` for files with the train ids of
            Cityscapes, such as ``_gtFine_labelTrainIds.png``, with any
            ``label_set``; None for files that hold the train ids of
            ``label_set`` itself. Both with 255 (or -1) for ignored pixels.
        label_map: The table by names instead, ``{7: 'road', 26: 'car'}``; ids
            that are left out, or have None, are ignored. It takes the place
            of the table that a published data set has by default.
        label_channel: Channel, in RGB order, with the class if label files
            have several.
        include: Patterns with ``*`` and ``?``; a key must match one of them,
            e.g. ``['train/*']`` for one folder of a split list.
        exclude: Keys to leave out, e.g. of files known to be faulty, or
            patterns of them.
        img_suffix: How names of images end, one or several:
            ``('.jpg', '.JPG', '.png')``.
        img_prefix: How base names of images begin, which keys leave out:
            ``'rgb_'`` of UrbanSyn.
        seg_map_prefix: The same of labels.
        label_orientation: What labels were drawn on, of images that a camera
            has marked as turned (EXIF): ``'displayed'``, the picture as
            viewers show it and as it is read here; ``'stored'``, the pixels
            as they are in the file; ``'auto'`` decides by the size of the
            labels, see ``LabelFrame``.
        metainfo: Overrides of mmseg's meta information.
        image_cache: As of ``DomainDataset``; for validation and testing.
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
        img_suffix: str | Sequence[str] = '.jpg',
        img_prefix: str = '',
        seg_map_prefix: str = '',
        label_orientation: str = 'auto',
        metainfo: dict | None = None,
        image_cache: Mapping[str, Any] | None = None,
        label_map: LabelMap | None = None,
        **kwargs,
    ) -> None:
        prefix = self._require_images(data_prefix, kwargs.get('indices'))
        self.label_channel = label_channel
        self.include, self.exclude = tuple(include), tuple(exclude)
        metainfo = _merge_metainfo(label_set, metainfo)
        self._set_table(label_set, label_table, label_map, metainfo)
        if 'seg_map_suffix' in kwargs and 'seg_map_path' in prefix:
            check_file_names(self.id_list, [kwargs['seg_map_suffix']])
        self.img_suffixes = _as_suffixes(img_suffix)
        self.img_prefix, self.seg_map_prefix = img_prefix, seg_map_prefix
        self.label_frame = LabelFrame(label_orientation, self)
        self.orphans: list[str] = []
        super().__init__(
            data_prefix=prefix,
            metainfo=metainfo,
            img_suffix=self.img_suffixes[0],
            **kwargs,
        )
        if label_set is not None:
            # Set later: mmengine takes text for the name of a file.
            self._metainfo['label_set'] = label_set
        if image_cache is not None:
            cache_first_steps(self, open_cache(image_cache))

    def _set_table(
        self,
        label_set: str | None,
        label_table: LabelTable,
        label_map: LabelMap | None,
        metainfo: Mapping[str, Any],
    ) -> None:
        """Make the table from ids to train ids, in whichever form it is."""
        classes = metainfo['classes']
        self.num_classes = len(classes)
        label_table = one_form(label_map, label_table, classes)
        self.named_ids = None if label_map is None else _ids_of(label_table)
        self.label_lut = _build_lut(label_set, label_table, self.num_classes)
        self.id_list = label_table if isinstance(label_table, str) else None

    def _get_unserialized_subset(
        self, indices: int | Sequence[int]
    ) -> list[dict]:
        """As mmengine; says which images there are."""
        try:
            return super()._get_unserialized_subset(indices)
        except IndexError as error:
            raise ConfigError(
                f'{type(self).__name__}: indices={shorten(repr(indices))} '
                f'name images beyond the {len(self.data_list)} that there are'
            ) from error

    def _require_images(
        self, data_prefix: Mapping[str, str | None], indices: object
    ) -> dict[str, str]:
        """Return the folders that are set, after checking the options."""
        # A child config may switch labels off with seg_map_path=None.
        prefix = {k: v for k, v in data_prefix.items() if v is not None}
        if 'img_path' not in prefix:
            raise ConfigError(
                f'{type(self).__name__}: data_prefix needs img_path, the '
                f'folder of the images, got {dict(data_prefix)}'
            )
        given = [indices] if indices is None or is_whole(indices) else indices
        if not isinstance(given, list | tuple) or not all(
            index is None or is_whole(index) for index in given
        ):
            raise ConfigError(
                f'{type(self).__name__}: indices={shorten(repr(indices))} '
                'must be a number of images, or a list of whole numbers'
            )
        if indices is not None and not indices:
            raise ConfigError(
                f'{type(self).__name__}: indices={indices} leaves no image; '
                'give a number, a list, or None for all'
            )
        return prefix

    @property
    def metainfo(self) -> dict:
        """As mmengine's, with the classes that the labels can't be."""
        meta = super().metainfo
        if self.has_labels:
            classes = unlabelled_classes(self.label_lut, meta['classes'])
            meta |= {UNLABELLED: classes} if classes else {}
        return meta

    @property
    def has_labels(self) -> bool:
        """Whether the samples name a label file."""
        return 'seg_map_path' in self.data_prefix

    @property
    def label_files(self) -> FilePlaces:
        """Where the labels lie, of a data set that has some."""
        return FilePlaces(
            self.data_prefix['seg_map_path'], self.seg_map_prefix
        )

    def load_data_list(self) -> list[dict]:
        """List the samples, sorted by key; all their files exist."""
        folder = self.data_prefix['img_path']
        places = FilePlaces(folder, self.img_prefix)
        places.require('data_prefix.img_path', self.data_root)
        files = places.list()
        images = keys_with_suffix(files, self.img_suffixes, folder)
        left_out = other_images(files, images, self.img_suffixes)
        if left_out:
            self._tell_left_out(left_out, folder)
        keys = self._select_keys(images, folder)
        samples = [
            {'key': key, 'img_path': places.path(f'{key}{images[key]}')}
            for key in keys
        ]
        if self.has_labels:
            self._require_labels(keys, images)
            labels = self.label_files
            for sample in samples:
                name = f'{sample["key"]}{self.seg_map_suffix}'
                sample['seg_map_path'] = labels.path(name)
        return samples

    def _tell_left_out(self, counts: Counter, folder: str) -> None:
        """Log which images have another suffix."""
        found = ', '.join(f'{n} {ext}' for ext, n in sorted(counts.items()))
        suffixes = tuple(sorted({*self.img_suffixes, *counts}))
        MMLogger.get_current_instance().warning(
            f'images below {folder!r} that are left out, since they do not '
            f'end in {" or ".join(self.img_suffixes)}: {found}; to use them '
            f'set img_suffix={suffixes}'
        )

    def _select_keys(self, images: Collection[str], folder: str) -> list[str]:
        """Return the sorted keys of the split, each with an image."""
        if self.ann_file:
            root = self.data_root or '.'
            folders = folder, os.path.relpath(folder, root)
            keys = split_keys(
                self.ann_file, self.img_suffixes, images, folders, repr(folder)
            )
        else:
            keys = list(images)
        keys = chosen_keys(keys, images, self.include, self.exclude)
        if not keys:
            start = f'{self.img_prefix}*'
            names = ' or '.join(repr(start + s) for s in self.img_suffixes)
            raise DataError(
                f'no image {names} below {folder!r}; '
                'correct data_prefix.img_path, img_suffix, include or exclude'
            )
        return keys

    def _require_labels(
        self, keys: list[str], images: Collection[str]
    ) -> None:
        """Check that the label folder has every key."""
        places = self.label_files
        places.require('data_prefix.seg_map_path', self.data_root)
        reason = (
            'each image needs a label of the same key; complete the download, '
            'correct seg_map_suffix, add the keys to exclude, or leave '
            'seg_map_path out of data_prefix if labels are not needed'
        )
        found = places.keys(self.seg_map_suffix)
        require_keys(keys, found, places.path, self.seg_map_suffix, reason)
        if not self.ann_file and self.include == ('*',):
            self.orphans = _orphans(found, images, places)

    def get_data_info(self, idx: int) -> dict:
        """Return the sample with what the loading transforms need.

        The constant entries are added here and not stored with each sample,
        which keeps the table from being pickled tens of thousands of times.
        """
        info = super().get_data_info(idx)
        info.update(
            label_lut=self.label_lut,
            label_channel=self.label_channel,
            label_frame=self.label_frame,
            num_classes=self.num_classes,
            label_map=None,
            reduce_zero_label=False,
            seg_fields=[],
        )
        return info


def _as_suffixes(suffix: str | Sequence[str]) -> tuple[str, ...]:
    """Return the suffixes of images, at least one."""
    suffixes = (suffix,) if isinstance(suffix, str) else tuple(suffix)
    if not suffixes or not all(isinstance(s, str) for s in suffixes):
        raise ConfigError(
            f'img_suffix={suffix!r} must be a suffix or a list of some, such '
            "as ['.jpg', '.JPG']"
        )
    return suffixes


def _orphans(
    labels: Collection[str], images: Collection[str], places: FilePlaces
) -> list[str]:
    """Return the sorted keys of labels without an image.

    Other files of the same image, such as ``a_color`` beside ``a``, are not
    among them, nor those that a link to their folder repeats.
    """
    orphans = [
        key
        for key in sorted(set(labels).difference(images))
        if not any(
            key[: mark.start()] in images for mark in _MARK.finditer(key)
        )
    ]
    if not orphans:
        return []
    real_folder = lru_cache(None)(os.path.realpath)

    def place(key: str) -> tuple[str, str]:
        folder, name = os.path.split(places.path(key))
        return real_folder(folder), name

    used = {place(key) for key in labels if key in images}
    return [key for key in orphans if place(key) not in used]


def _merge_metainfo(label_set: str | None, metainfo: dict | None) -> dict:
    """Return meta information with classes as a tuple, and a palette."""
    own = dict(metainfo or {})
    if 'classes' in own:
        own['classes'] = tuple(own['classes'])
        if len(set(own['classes'])) < len(own['classes']):
            raise ConfigError(
                f'metainfo.classes={own["classes"]}: a name is there twice'
            )
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


def _ids_of(table: LabelTable) -> frozenset[int]:
    assert isinstance(table, Mapping), 'made of a label_map'
    return frozenset(key for key in table if isinstance(key, int))


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
