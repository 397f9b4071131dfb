# Copyright (c) mmuda authors.
"""IDD, the India Driving Dataset (Varma et al., WACV 2019)."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import MMLogger
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from mmuda.datasets.images.image_header import open_image, require_size
from mmuda.datasets.images.image_io import read_bytes
from mmuda.datasets.labels.idd_labels import IDD_LABELS
from mmuda.datasets.labels.label_maps import LabelTable
from mmuda.datasets.labels.named_ids import own_table
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path

_OTHER_ID_TYPES = re.compile(r'label(level\d|cs|csTrain)Ids?\.png$', re.I)


@DATASETS.register_module()
class IDDDataset(DomainSegDataset):
    """IDD as downloaded: images, and labels as polygons in JSON files.

    ``leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png`` and
    ``gtFine/<split>/<drive>/<frame>_gtFine_polygons.json``. Frame numbers
    repeat over drives, so keys are ``<drive>/<frame>``. Polygons are drawn
    when they are first read (``idd_polygons.py``) and the drawings kept.

    Labels that AutoNUE's ``createLabels.py`` has drawn with ``--id-type id``
    are read with ``seg_map_suffix='_gtFine_labelids.png'``. Its default,
    ``level3Id``, merges labels and is refused; ``csTrainId`` needs
    ``label_table='train_ids'`` and has no autorickshaws or fallbacks, so it
    is no base for the published seven classes.

    Args:
        label_set: See ``DomainSegDataset``.
        label_table: See ``DomainSegDataset``.
        img_suffix: Suffix of images; ``_leftImg8bit.jpg`` for part II.
        seg_map_suffix: Suffix of labels; polygons if it ends in ``.json``.
        label_cache: Folder of the drawings, absolute or relative to
            ``data_root``; it may be shared. None to draw at every reading.
        **kwargs: Passed to ``DomainSegDataset``.

    Raises:
        ConfigError: If the labels are of another id type than the table.
    """

    def __init__(
        self,
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = 'idd',
        img_suffix: str = '_leftImg8bit.png',
        seg_map_suffix: str = '_gtFine_polygons.json',
        label_cache: str | None = 'label_cache',
        **kwargs,
    ) -> None:
        polygons = seg_map_suffix.endswith('.json')
        label_table = own_table(label_table, 'idd', kwargs)
        _check_id_type(label_table, seg_map_suffix, polygons)
        super().__init__(
            label_set=label_set,
            label_table=label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )
        self.label_reader = None
        if polygons and self.has_labels:
            folder = self.data_prefix['seg_map_path']
            cache = _cache_folder(label_cache, folder, self.data_root)
            self.label_reader = PolygonLabelReader(folder, cache)

    def get_data_info(self, idx: int) -> dict:
        """Return the sample, with what reads its label."""
        info = super().get_data_info(idx)
        info['label_reader'] = self.label_reader
        return info


def _check_id_type(table: LabelTable, suffix: str, polygons: bool) -> None:
    """Raise a ConfigError if a named table is not of the labels' ids."""
    if polygons and isinstance(table, str) and table != 'idd':
        raise ConfigError(
            f'IDDDataset: label_table={table!r}, but polygons ({suffix!r}) '
            "are drawn with the ids of label_table='idd'"
        )
    if table == 'idd' and _OTHER_ID_TYPES.search(suffix):
        raise ConfigError(
            f'IDDDataset: seg_map_suffix={suffix!r} is of an id type that '
            "label_table='idd' does not know; use the polygons "
            "('_gtFine_polygons.json'), or labels made with --id-type id "
            "('_gtFine_labelids.png')"
        )


def _cache_folder(
    cache: str | None, folder: str, data_root: str | None
) -> str | None:
    """Return the folder of the drawings of a label folder.

    A part of its own for each label folder keeps splits and data sets apart.
    """
    if cache is None:
        return None
    relative = os.path.relpath(folder, data_root or None)
    if relative.startswith(os.pardir):
        relative = os.path.abspath(folder).lstrip(os.sep)
    return os.path.join(data_root or '', cache, relative)


_BACKGROUND = IDD_LABELS.index('unlabeled')
# Text chunks of a kept drawing: what it was drawn from, and how; and how many
# polygons were left out.
_SOURCE = 'mmuda_polygons'
_LEFT_OUT = 'mmuda_left_out'
_VERSION = 2
# Pillow's coordinates overflow beyond; no image comes near.
_FARTHEST = 1e6
# Of a file; those of IDD have some thousands and some hundred kilobytes.
_MOST_VERTICES = 200_000
_MOST_BYTES = 2**25

Vertices = Sequence[tuple[float, float]]


class Annotation(NamedTuple):
    """The polygons of an image.

    Attributes:
        size: Width and height of the image.
        polygons: Label id and vertices (x, y) in pixels, in drawing order.
    """

    size: tuple[int, int]
    polygons: Sequence[tuple[int, Vertices]]


def draw_polygons(annotation: Annotation) -> tuple[np.ndarray, int]:
    """Draw polygons over each other in their order.

    Args:
        annotation: What to draw; vertices may lie outside the image.

    Returns:
        (H, W) uint8 label ids, and the number of polygons that were left out
        because they have less than three different vertices.
    """
    image = Image.new('L', annotation.size, _BACKGROUND)
    drawer = ImageDraw.Draw(image)
    skipped = 0
    for label_id, vertices in annotation.polygons:
        if len(set(vertices)) < 3:
            skipped += 1
        else:
            drawer.polygon(list(vertices), fill=label_id)
    return np.array(image), skipped


def parse_polygons(data: bytes, path: str) -> Annotation:
    """Read the content of a ``_gtFine_polygons.json`` file.

    Args:
        data: The file's content.
        path: The file's name, for messages.

    Raises:
        DataError: If the file is damaged or has a label that IDD does not.
    """
    try:
        content = json.loads(data)
        size = _whole(content['imgWidth']), _whole(content['imgHeight'])
        objects = [x for x in content['objects'] if not x.get('deleted')]
        polygons = [
            (_label_id(x['label'], path), _vertices(x['polygon']))
            for x in objects
        ]
    except DataError:
        raise
    except (
        *(AttributeError, KeyError, OverflowError, RecursionError),
        *(TypeError, ValueError),
    ) as error:
        raise DataError(
            f'cannot read the polygons of {path!r} ({_fault(error)}): it is '
            'damaged or no label of IDD; download it again'
        ) from error
    try:
        require_size(*size, path)
    except DataError as error:
        raise DataError(f'{error}; download it again') from error
    if sum(len(vertices) for _, vertices in polygons) > _MOST_VERTICES:
        raise DataError(
            f'{path!r} has more than {_MOST_VERTICES} vertices; it is '
            'damaged, download it again'
        )
    return Annotation(size, polygons)


def _fault(error: Exception) -> str:
    """Say in a line what is wrong with a file."""
    if isinstance(error, KeyError):
        return f'{error} is missing'
    return ' '.join(str(error).split())


def _label_id(label: str, path: str) -> int:
    for name in (label, label.removesuffix('group')):
        if name in IDD_LABELS:
            return IDD_LABELS.index(name)
    raise DataError(
        f'{path!r} has a polygon of the unknown label {label!r}; correct it '
        "to one of IDD's, or download the file again"
    )


def _whole(value: Any) -> int:
    """Return the size that a file gives, which may be text of digits."""
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(f'{value!r} is no number of pixels')
    return int(value)


def _vertices(polygon: list) -> list[tuple[float, float]]:
    if not all(type(v) in (int, float) for xy in polygon for v in xy):
        raise ValueError('a vertex is no number')
    vertices = [(float(x), float(y)) for x, y in polygon]
    # False of NaN too.
    if not all(abs(v) < _FARTHEST for xy in vertices for v in xy):
        raise ValueError('a vertex is no number, or far outside the image')
    return vertices


class PolygonLabelReader:
    """Reads polygon files as label ids, drawing each file once.

    A drawing is kept as ``<key>_gtFine_labelids.png``, the name that the
    official script would give it. It holds the SHA-256 of the polygon file,
    so that a changed file is drawn anew, and how many of its polygons were
    left out. Files appear as a whole: any number of processes may share the
    folder.

    Args:
        folder: Folder of the polygon files.
        cache: Folder of the drawings, made if missing; None to draw at every
            reading.

    Attributes:
        left_out: Number of polygons that were left out, by the path of the
            file, of all files read so far that have such, drawn or kept.
    """

    def __init__(self, folder: str, cache: str | None) -> None:
        self.folder = folder
        self.cache = cache
        self.left_out: dict[str, int] = {}

    def __call__(self, path: str) -> np.ndarray:
        """Return the label ids of a polygon file, (H, W) uint8.

        Raises:
            DataError: If the file is missing or damaged, or the disk is full.
        """
        data = read_bytes(path, _MOST_BYTES)
        source = f'{_VERSION} {hashlib.sha256(data).hexdigest()}'
        kept = self.cached_path(path)
        drawing = None if kept is None else _read_drawing(kept, source)
        if drawing is None:
            drawing = draw_polygons(parse_polygons(data, path))
            if kept is not None:
                self._keep(drawing, kept, source)
        ids, skipped = drawing
        self._count(path, skipped)
        return ids

    def cached_path(self, path: str) -> Path | None:
        """Return where the drawing of a polygon file is kept, if it is."""
        if self.cache is None:
            return None
        name = os.path.relpath(path, self.folder).removesuffix('.json')
        return Path(
            self.cache, f'{name.removesuffix("_polygons")}_labelids.png'
        )

    def _keep(
        self, drawing: tuple[np.ndarray, int], kept: Path, source: str
    ) -> None:
        ids, skipped = drawing
        text = PngInfo()
        text.add_text(_SOURCE, source)
        text.add_text(_LEFT_OUT, str(skipped))
        try:
            with atomic_path(kept) as temporary:
                Image.fromarray(ids).save(temporary, pnginfo=text)
        except OSError as error:
            MMLogger.get_current_instance().warning(
                f'cannot write to the label_cache {self.cache!r} '
                f'({error.strerror or error}): polygons are drawn at every '
                'reading, which is slow; set label_cache to another folder, '
                'or to None'
            )
            self.cache = None

    def _count(self, path: str, skipped: int) -> None:
        """Count what was left out, and log the 1st, 10th, 100th ... file."""
        if not skipped:
            self.left_out.pop(path, None)
            return
        known = path in self.left_out
        self.left_out[path] = skipped
        files = len(self.left_out)
        if known or files != 10 ** (len(str(files)) - 1):
            return
        # Of a copy: other threads may be adding.
        total = sum(self.left_out.copy().values())
        MMLogger.get_current_instance().warning(
            f'{path}: left out {skipped} polygon(s) with less than three '
            f'different vertices; {total} in {files} file(s) of '
            f'{self.folder!r} that this process has read so far'
        )


def _read_drawing(path: Path, source: str) -> tuple[np.ndarray, int] | None:
    """Return a kept drawing, unless it is missing, outdated or damaged."""
    try:
        image = open_image(read_bytes(str(path)), str(path))
        if image.info.get(_SOURCE) == source:
            return np.array(image), int(image.info[_LEFT_OUT])
    except (DataError, KeyError, OSError, SyntaxError, ValueError):
        pass
    return None
