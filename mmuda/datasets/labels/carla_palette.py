# Copyright (c) mmuda authors.
"""Labels of CARLA in colours, as ``ColorConverter.CityScapesPalette`` saves.

The colours are those of CARLA's sensors reference, of 0.9.14 and later and of
0.9.10 to 0.9.13; before these, fences and what is called other had colours of
their own.
"""

from collections.abc import Iterable

import numpy as np

from mmuda.datasets.images.image_io import decode_colours, read_bytes
from mmuda.utils.errors import DataError

Colour = tuple[int, int, int]

_MOST_NAMED = 5
_SHARED: dict[str, Colour] = dict(
    unlabeled=(0, 0, 0),
    road=(128, 64, 128),
    sidewalk=(244, 35, 232),
    building=(70, 70, 70),
    wall=(102, 102, 156),
    pole=(153, 153, 153),
    traffic_light=(250, 170, 30),
    traffic_sign=(220, 220, 0),
    vegetation=(107, 142, 35),
    sky=(70, 130, 180),
    person=(220, 20, 60),
    car=(0, 0, 142),
    static=(110, 190, 160),
    dynamic=(170, 120, 50),
    other=(55, 90, 80),
    water=(45, 60, 150),
    road_line=(157, 234, 50),
    ground=(81, 0, 81),
    bridge=(150, 100, 100),
    rail_track=(230, 150, 140),
    guard_rail=(180, 165, 180),
)
# Of 0.9.14 and later; fences also of 0.9.9 and before.
_FENCE: Colour = (190, 153, 153)
_LATER: dict[str, Colour] = dict(
    fence=_FENCE,
    terrain=(152, 251, 152),
    rider=(255, 0, 0),
    truck=(0, 0, 70),
    bus=(0, 60, 100),
    train=(0, 80, 100),
    motorcycle=(0, 0, 230),
    bicycle=(119, 11, 32),
)
_EARLIER: dict[str, Colour] = dict(
    fence=(100, 40, 40), terrain=(145, 170, 100)
)
# By tag.
_NEW_NAMES = (
    *('unlabeled', 'road', 'sidewalk', 'building', 'wall', 'fence', 'pole'),
    *('traffic_light', 'traffic_sign', 'vegetation', 'terrain', 'sky'),
    *('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle'),
    *('bicycle', 'static', 'dynamic', 'other', 'water', 'road_line'),
    *('ground', 'bridge', 'rail_track', 'guard_rail'),
)
_OLD_NAMES = (
    *('unlabeled', 'building', 'fence', 'other', 'person', 'pole'),
    *('road_line', 'road', 'sidewalk', 'vegetation', 'car', 'wall'),
    *('traffic_sign', 'sky', 'ground', 'bridge', 'rail_track', 'guard_rail'),
    *('traffic_light', 'static', 'dynamic', 'water', 'terrain'),
)


def _tags(names: Iterable[str], own: dict[str, Colour]) -> dict[Colour, int]:
    colours = _SHARED | own
    return {colours[name]: tag for tag, name in enumerate(names)}


#: Tags by colour (R, G, B), by the name of the numbering's label table.
PALETTES: dict[str, dict[Colour, int]] = {
    'carla': _tags(_NEW_NAMES, _LATER),
    'carla_0.9.13': _tags(_OLD_NAMES, _EARLIER)
    | {_FENCE: 2, (250, 170, 160): 3},
}


def colours_of(path: str) -> set[Colour]:
    """Colours of a label file.

    Args:
        path: The file.

    Raises:
        DataError: It is missing, damaged, or has no colours.
    """
    codes = np.unique(_codes(decode_colours(read_bytes(path), path)))
    return {_colour(code) for code in codes.tolist()}


def palettes_of(colours: set[Colour], path: str) -> list[str]:
    """Numberings that have all colours of a label.

    Args:
        colours: Of the label.
        path: Its file, for the message.

    Raises:
        DataError: No numbering has all of them.
    """
    found = [name for name, tags in PALETTES.items() if colours <= {*tags}]
    if found:
        return found
    known = set().union(*PALETTES.values())
    unknown = colours - known
    if not unknown:
        raise DataError(
            f'label {path!r} has colours of both numberings of CARLA: record '
            'it anew, with ColorConverter.Raw'
        )
    raise _unknown(unknown, path, 'CityScapesPalette has not')


class PaletteReader:
    """Reads a label in colours as tags.

    Args:
        table: Name of the numbering's label table, which has a palette.
    """

    def __init__(self, table: str) -> None:
        self.table = table
        tags = PALETTES[table]
        codes = _codes(np.array([[*tags]], np.uint8))[0]
        order = codes.argsort()
        self._known = codes[order]
        self._values = np.array([*tags.values()], np.uint8)[order]

    def __call__(self, path: str) -> np.ndarray:
        """Tags (H, W) of a label file.

        Args:
            path: The file.

        Raises:
            DataError: It is missing, damaged, or has a colour which the
                palette has not.
        """
        codes = _codes(decode_colours(read_bytes(path), path))
        places = np.searchsorted(self._known, codes)
        places = places.clip(max=len(self._known) - 1)
        wrong = codes[self._known[places] != codes]
        if wrong.size:
            colours = {_colour(code) for code in np.unique(wrong).tolist()}
            words = f'the palette of label_table={self.table!r} has not'
            raise _unknown(colours, path, words)
        return self._values[places]


def _codes(colours: np.ndarray) -> np.ndarray:
    """One number (H, W) for each colour (H, W, 3)."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255


def _unknown(colours: set[Colour], path: str, words: str) -> DataError:
    named = ', '.join(str(colour) for colour in sorted(colours)[:_MOST_NAMED])
    return DataError(
        f'label {path!r} has {len(colours)} colours that {words}, such as '
        f'{named}: it was resized, saved with loss, or is no label of '
        'CARLA; point data_prefix.seg_map_path to labels as they were '
        'recorded, best with ColorConverter.Raw'
    )
