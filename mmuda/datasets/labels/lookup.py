# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Dense lookup tables from label ids to train ids."""

from collections.abc import Mapping, Sequence

import numpy as np

from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID

# How a config gives a table: the name of an id list, a dict or list of train
# ids, or None if the files hold train ids already.
LabelTable = str | Mapping[int | str, int] | Sequence[int] | None

# Entry of a dense table for ids that the data set does not define.
UNKNOWN_ID = 254
# Key of a table for all ids that it does not list.
OTHERS = 'others'


def identity_table(num_classes: int) -> dict[int | str, int]:
    """Return the table of labels that hold train ids already."""
    return {**{i: i for i in range(num_classes)}, IGNORE_ID: IGNORE_ID}


def lookup_table(
    table: Mapping[int | str, int] | Sequence[int],
    num_classes: int,
) -> np.ndarray:
    """Turn a table into a dense array, for one indexing per image.

    Args:
        table: ``{id: train_id}`` or a list whose positions are the ids. Id -1
            is the same as 255. The key ``'others'`` gives the train id of all
            ids that are not listed; without it they become ``UNKNOWN_ID``,
            which the loader reports as an error.
        num_classes: Train ids must be below it, or 255.

    Returns:
        uint8 array of at least 256 train ids.

    Raises:
        ConfigError: If an id or train id of the table is not possible.
    """
    entries = table if isinstance(table, Mapping) else enumerate(table)
    train_ids: dict[int | str, int] = {
        key: int(value) for key, value in dict(entries).items()
    }
    wrong = sorted({*train_ids.values()} - {*range(num_classes), IGNORE_ID})
    if wrong:
        raise ConfigError(
            f'label_table has train ids {wrong}; they must be '
            f'0..{num_classes - 1} or {IGNORE_ID}'
        )
    others = train_ids.pop(OTHERS, UNKNOWN_ID)
    # A config that went through a file may hold the ids as strings.
    ids = {int(key): value for key, value in train_ids.items()}
    if -1 in ids:
        ids[255] = ids.pop(-1)
    outside = [i for i in ids if not 0 <= i <= 65535]
    if outside or not ids:
        raise ConfigError(
            f'label_table has ids {outside}; a table needs at least one id '
            'and all within 0..65535'
        )
    dense = np.full(max(256, max(ids) + 1), others, dtype=np.uint8)
    dense[list(ids)] = list(ids.values())
    return dense
