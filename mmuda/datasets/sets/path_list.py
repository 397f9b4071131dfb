# Copyright (c) mmuda authors.
"""Images and labels that text files list, one path a line."""

import os
from collections.abc import Mapping, Sequence

from mmuda.datasets.labels.label_verdict import check_file_names
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.datasets.sets.path_lines import (
    PathLine,
    common_folder,
    find_list,
    key_of,
    plural,
    read_path_lines,
    require_distinct,
    require_files,
)
from mmuda.datasets.sets.split_lists import chosen_keys, split_keys
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError


@DATASETS.register_module()
class PathListDataset(DomainSegDataset):
    """Your own data as two text files: ``images.txt`` and ``gt.txt``.

    Each holds one path a line, and the n-th label belongs to the n-th image.
    Blank lines and comments, which begin with ``#``, do not count; paths may
    have spaces. Relative paths are those below ``data_root`` or, without it,
    below the folder of their list.

    The ``key`` of a sample is the path of its image below the folder that all
    images of the list have in common, without the file extension. Several
    images may share a label, as translations of one image do.

    Args:
        image_list: Text file of the images, below ``data_root`` or, if it is
            not there, below the working directory.
        label_list: The same of the labels; None without labels.
        data_root: Folder of relative paths.
        data_prefix: What tools set. ``img_path`` is a folder of other
            versions of the images, such as translated ones, with the paths
            below it that those of the list have below their common folder;
            ``seg_map_path`` takes the place of ``label_list``.
        ann_file: List of the keys to use, one a line; all by default.
        **kwargs: Passed to ``DomainSegDataset``, such as ``label_set`` and
            ``label_table``, which default to Cityscapes' classes and train
            ids.

    Raises:
        ConfigError: If the list of the images is not given.
        DataError: If a list is missing, empty or no text, the lists differ in
            length, an image is listed twice, a file is missing or two images
            have the same key.
    """

    def __init__(
        self,
        image_list: str,
        label_list: str | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str | None] | None = None,
        ann_file: str = '',
        **kwargs,
    ) -> None:
        prefix = dict(data_prefix or {})
        labels = prefix.get('seg_map_path', label_list)
        if not image_list:
            raise ConfigError(
                'PathListDataset: image_list must be the path of a text file, '
                f'not {image_list!r}'
            )
        self.image_list = find_list(image_list, data_root)
        self.label_list = find_list(labels, data_root) if labels else None
        self.has_other_images = bool(prefix.get('img_path'))
        super().__init__(
            data_prefix={'img_path': prefix.get('img_path') or ''},
            data_root=data_root,
            ann_file=ann_file,
            **kwargs,
        )

    @property
    def has_labels(self) -> bool:
        """Whether the samples name a label file."""
        return self.label_list is not None

    def load_data_list(self) -> list[dict]:
        """List the samples, sorted by key; all their files exist."""
        images = read_path_lines(self.image_list, self.data_root)
        entries = [(line.path, line.number) for line in images]
        require_distinct(self.image_list, entries)
        folder = common_folder(images)
        keys = self._unique_keys(images, folder)
        if self.has_other_images:
            images = [self._other_version(line, folder) for line in images]
        columns = [(self.image_list, 'img_path', images)]
        if self.label_list is not None:
            labels = read_path_lines(self.label_list, self.data_root)
            self._require_pairs(images, labels)
            check_file_names(self.id_list, [line.text for line in labels])
            columns.append((self.label_list, 'seg_map_path', labels))
        wanted = self._wanted_keys(keys)
        samples = {key: {'key': key} for key in sorted(wanted)}
        for path, name, lines in columns:
            chosen = {
                key: line
                for key, line in zip(keys, lines, strict=True)
                if key in wanted
            }
            require_files(path, list(chosen.values()))
            for key, line in chosen.items():
                samples[key][name] = line.path
        return list(samples.values())

    def _other_version(self, line: PathLine, folder: str) -> PathLine:
        """Return the same line with the image of ``data_prefix.img_path``."""
        name = os.path.relpath(line.path, folder)
        other = os.path.join(self.data_prefix['img_path'], name)
        return line._replace(path=os.path.abspath(other))

    def _unique_keys(
        self, images: Sequence[PathLine], folder: str
    ) -> list[str]:
        """Return the key of each image, which no other may have."""
        lines: dict[str, PathLine] = {}
        for image in images:
            key = key_of(image.path, folder)
            if key in lines:
                raise DataError(
                    f'{self.image_list}: the images of lines '
                    f'{lines[key].number} and {image.number} differ in their '
                    f'extension only, so both have the key {key!r}; rename '
                    'one of them'
                )
            lines[key] = image
        return list(lines)

    def _require_pairs(
        self, images: Sequence[PathLine], labels: Sequence[PathLine]
    ) -> None:
        """Raise a DataError if the lists differ in length."""
        if len(images) == len(labels):
            return
        longer, entries = max(
            ((self.image_list, images), (self.label_list, labels)),
            key=lambda pair: len(pair[1]),
        )
        alone = entries[min(len(images), len(labels))]
        raise DataError(
            f'{self.image_list} lists {plural(len(images), "image")}, '
            f'{self.label_list} {plural(len(labels), "label")}; the n-th '
            'label must be that of the n-th image. The first path without a '
            f'partner is in line {alone.number} of {longer}'
        )

    def _wanted_keys(self, keys: list[str]) -> set[str]:
        """Return the keys that ``ann_file`` and the patterns choose."""
        wanted = set(keys)
        if self.ann_file:
            wanted = set(
                split_keys(self.ann_file, '', wanted, where=self.image_list)
            )
        chosen = chosen_keys(wanted, set(keys), self.include, self.exclude)
        if not chosen:
            raise DataError(
                f'include and exclude leave no image of {self.image_list}; '
                f'keys look like {keys[0]!r}'
            )
        return set(chosen)
