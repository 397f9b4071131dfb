# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How hard classes are, by the thresholds of their pseudo-labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import read_json
from mmuda.utils.names import MANIFEST

Thresholds = str | Mapping[str, float | None] | Sequence[float | None]


def read_thresholds(
    thresholds: Thresholds | None, num_classes: int
) -> list[float]:
    """Thresholds of the pseudo-labels in the order of the train ids.

    Args:
        thresholds: The ``manifest.json`` of a labelling or its folder, or the
            values, by name or not, in the order of the train ids. None of a
            class becomes 0, the hardest: no pixel was predicted as it. None
            for all is refused.
        num_classes: Of the segmentor.

    Raises:
        ConfigError: There are none or of another number of classes, the file
            can't be read, or a value is no number.
    """
    if thresholds is None:
        raise ConfigError(
            "model.class_mix=dict(classes='demand') needs model.thresholds: "
            'the manifest.json of the pseudo-labels (or a value for each '
            "class); classes='random' does without"
        )
    where, values = 'model.thresholds', thresholds
    if isinstance(thresholds, str | Path):
        where = f'model.thresholds={str(thresholds)!r}'
        values = _of_manifest(Path(thresholds), where)
    if isinstance(values, Mapping):
        values = list(values.values())
    for value in values:
        if value is not None and not SHARE.fits(value):
            raise ConfigError(
                f'{where}: {value!r} is no threshold from 0 to 1'
            )
    if len(values) != num_classes:
        raise ConfigError(
            f'{where} holds {len(values)} values, but the segmentor has '
            f'{num_classes} classes: give those of a labelling of the same '
            'class set'
        )
    return [0.0 if value is None else float(value) for value in values]


def _of_manifest(path: Path, where: str) -> list[float | None]:
    path = path / MANIFEST if path.is_dir() else path
    try:
        content = read_json(path, 'generate the pseudo-labels anew')
        return [content['thresholds'][name] for name in content['classes']]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{where} is no {MANIFEST} of pseudo-labels '
            f'({type(error).__name__}: {error}); '
            'tools/generate_pseudo_labels.py writes it'
        ) from None
