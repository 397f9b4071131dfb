# Copyright (c) mmuda authors.
"""Labels of the CARLA simulator as its camera writes them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from mmengine.logging import MMLogger

from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.labels.carla_palette import (
    PALETTES,
    PaletteReader,
    colours_of,
    palettes_of,
)
from mmuda.datasets.labels.label_maps import LabelTable, lookup_table
from mmuda.datasets.labels.label_maps import label_table as table_of
from mmuda.datasets.labels.named_ids import own_table
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

AUTO = 'auto'
NEW, OLD = 'carla', 'carla_0.9.13'
_WHEN = {NEW: '0.9.14 or later', OLD: '0.9.13 or before'}
_RED = 0
_LAST_OLD, _LAST = 22, 28
# The commonest tag at the bottom centre, where the road is, tells; that of
# the own vehicle, whose bonnet may be in the picture, does not.
_ROAD = {1: NEW, 7: OLD}
_VEHICLES = (10, 14)
_BANDS = 8
# Labels that are looked at, spread over the data set.
_MOST_LABELS = 16
_CHOOSE = (
    f"set label_table='{NEW}' for recordings of CARLA {_WHEN[NEW]}, or "
    f"'{OLD}' for those of {_WHEN[OLD]}"
)


@DATASETS.register_module()
class CARLATagsDataset(DomainSegDataset):
    """CARLA recordings of your own: images, and tags in the red channel.

    ``rgb/<key>.png`` and ``semantic/<key>.png``, or any other folders, as
    ``sensor.camera.semantic_segmentation`` or ``.instance_segmentation``
    saves them with ``ColorConverter.Raw``; files that were reduced to one
    channel do as well. CARLA 0.9.14 numbered all tags anew. Some labels
    spread over the data set tell which numbering it has: only the newer one
    has tags above 22, and road at the bottom centre is 1 there, and was 7.

    Labels in colours, of ``ColorConverter.CityScapesPalette``, are decoded
    exactly. There the colours of terrain, and of riders and vehicles but cars,
    tell the numbering.

    Args:
        data_prefix: See ``DomainSegDataset``.
        label_set: See ``DomainSegDataset``.
        label_table: ``'auto'``; ``'carla'`` of 0.9.14 and later or
            ``'carla_0.9.13'`` of versions before, whatever the labels look
            like; or a table of your own.
        img_suffix: Suffix of images.
        seg_map_suffix: Suffix of labels.
        **kwargs: Passed to ``DomainSegDataset``.

    Raises:
        ConfigError: See ``DomainSegDataset``.
        DataError: Labels hold other colours, are of both numberings, or do
            not tell which; or see ``DomainSegDataset``.
    """

    def __init__(
        self,
        data_prefix: Mapping[str, str | None],
        label_set: str | None = 'cityscapes19',
        label_table: LabelTable = AUTO,
        img_suffix: str | Sequence[str] = '.png',
        seg_map_suffix: str = '.png',
        **kwargs,
    ) -> None:
        label_table = own_table(label_table, AUTO, kwargs)
        self.label_table = label_table
        self.label_reader: PaletteReader | None = None
        self._label_set = label_set
        super().__init__(
            data_prefix,
            label_set=label_set,
            # Until the labels are listed.
            label_table=NEW if label_table == AUTO else label_table,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **{'label_channel': _RED, **kwargs},
        )

    def load_data_list(self) -> list[dict]:
        """List the samples, after a look at some labels."""
        samples = super().load_data_list()
        if self.has_labels and self.label_table in (AUTO, *_WHEN):
            places = np.linspace(0, len(samples) - 1, _MOST_LABELS, dtype=int)
            paths = [samples[i]['seg_map_path'] for i in np.unique(places)]
            self._settle_table(paths)
        return samples

    def get_data_info(self, idx: int) -> dict:
        """Return the sample, with a reader of colours if it has some."""
        info = super().get_data_info(idx)
        info['label_reader'] = self.label_reader
        return info

    def _settle_table(self, paths: Sequence[str]) -> None:
        """Take the table that labels tell, unless one was asked for."""
        tags = {path: read_tags(path, self.label_channel) for path in paths}
        if any(values.max() > _LAST for values in tags.values()):
            self._settle_palette(paths)
            return
        told: dict[str, Evidence] = {}
        for path, values in tags.items():
            evidence = evidence_of(values, path)
            if evidence is not None:
                told.setdefault(evidence.table, evidence)
        if self.label_table == AUTO:
            self._take(require_one(told, paths))
        elif told and self.label_table not in told:
            other = next(iter(told.values()))
            MMLogger.get_current_instance().warning(
                f'labels are read by label_table={self.label_table!r}, but '
                f'{other.words}: {_CHOOSE}'
            )

    def _settle_palette(self, paths: Sequence[str]) -> None:
        """As :meth:`_settle_table`, of labels in colours."""
        told: dict[str, Evidence] = {}
        for path in paths:
            evidence = evidence_of_colours(path)
            if evidence is not None:
                told.setdefault(evidence.table, evidence)
        table = self.label_table
        if table == AUTO:
            table = require_one(told, paths)
            self._take(table)
        elif told and table not in told:
            other = next(iter(told.values()))
            raise DataError(
                f'label_table={table!r} does not fit: {other.words}; {_CHOOSE}'
            )
        assert isinstance(table, str), 'one of the two'
        self.label_reader = PaletteReader(table)

    def _take(self, table: str) -> None:
        self.id_list = table
        assert self._label_set is not None, 'the table needs one, too'
        self.label_lut = lookup_table(
            table_of(table, self._label_set), self.num_classes
        )


class Evidence(NamedTuple):
    """What a label says of the numbering.

    Attributes:
        table: The numbering.
        words: Why, for a message.
    """

    table: str
    words: str


def read_tags(path: str, channel: int | None) -> np.ndarray:
    """Read the tags of a label, (H, W); larger than 28 if it has colours.

    Raises:
        DataError: The file is missing or damaged.
    """
    return decode_ids(read_bytes(path), path, channel)


def evidence_of_colours(path: str) -> Evidence | None:
    """Tell which numbering the colours of a label are of, if they do tell.

    Args:
        path: The label.

    Raises:
        DataError: It has colours that no numbering has, or of both.
    """
    colours = colours_of(path)
    found = palettes_of(colours, path)
    if len(found) > 1:
        return None
    (table,) = found
    others = set().union(*(t for n, t in PALETTES.items() if n != table))
    colour = min(colours - others)
    words = f'{path!r} has the colour {colour}, which is of {_WHEN[table]}'
    return Evidence(table, words)


def evidence_of(tags: np.ndarray, path: str) -> Evidence | None:
    """Tell which numbering the tags of an image have, if they do tell.

    Args:
        tags: (H, W) at most 28.
        path: Of the label, for the message.
    """
    highest = int(tags.max())
    if highest > _LAST_OLD:
        words = f'{path!r} has the tag {highest}, which is of {_WHEN[NEW]}'
        return Evidence(NEW, words)
    height, width = tags.shape
    centre = tags[height // 2 :, width * 3 // 8 : -(-width * 5 // 8)]
    for band in reversed(np.array_split(centre, _BANDS)):
        common = np.bincount(band.ravel()).argmax() if band.size else None
        if common is None or common in _VEHICLES:
            continue
        table = _ROAD.get(int(common))
        if table is None:
            return None
        words = f'{path!r} has {common} at the bottom centre, road of '
        return Evidence(table, words + _WHEN[table])
    return None


def require_one(told: Mapping[str, Evidence], paths: Sequence[str]) -> str:
    """Return the numbering that labels agree on.

    Args:
        told: The first label that speaks for each numbering.
        paths: Labels that were looked at.

    Raises:
        DataError: They do not tell, or contradict each other.
    """
    if not told:
        raise DataError(
            f'{paths[0]!r} and {len(paths) - 1} more labels do not tell '
            "CARLA's numbering: no tag is above "
            f'{_LAST_OLD}, and none has road at the bottom centre; in labels '
            'in colours there is neither terrain nor a rider or a vehicle but '
            f'cars; {_CHOOSE}'
        )
    if len(told) > 1:
        words = ', but '.join(evidence.words for evidence in told.values())
        raise DataError(
            f"labels are of both of CARLA's numberings: {words}; keep them in "
            f'data sets of their own, or {_CHOOSE}'
        )
    (table,) = told
    return table
