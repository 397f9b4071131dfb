# Copyright (c) mmuda authors.
"""The settings file of a written data set, by which it is known again."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from street_scenes.layouts import LAYOUTS, SceneLayout
from street_scenes.street_domains import Domain

SETTINGS_FILE = 'street_scenes.json'
_FORMAT = 1  # to be raised whenever the same settings give other pictures


def make_settings(
    layout: SceneLayout,
    counts: Mapping[str, int],
    size: tuple[int, int],
    seed: int,
    domain: Domain,
) -> dict:
    """Return all that the files depend on, as JSON gives it back."""
    settings = {
        'format': _FORMAT,
        'layout': layout.name,
        'options': asdict(layout),
        'counts': dict(counts),
        'size': size,
        'seed': seed,
        'domain': asdict(domain),
    }
    return json.loads(json.dumps(settings))


def save_settings(root: Path, settings: dict) -> None:
    """Write the settings unless they are there already."""
    text = json.dumps(settings, indent=2) + '\n'
    _write_changed(root / SETTINGS_FILE, text.encode())


def save_common_files(root: Path, layout: SceneLayout) -> None:
    """Write what belongs to no scene unless it is there already."""
    for name, content in layout.common_files().items():
        _write_changed(root / name, content)


def _write_changed(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        atomic_write(path, content)


def prepare_root(
    root: Path, layout: SceneLayout, settings: dict, overwrite: bool
) -> None:
    """Refuse a root with other content, or clear it if that is wanted.

    Args:
        root: Root of the data set, may be missing.
        layout: Which files there will be.
        settings: What ``make_settings`` returned for the scenes to come.
        overwrite: Whether to remove scenes that an earlier call wrote.

    Raises:
        DataError: The root holds other data or scenes of other settings.
    """
    path = root / SETTINGS_FILE
    if not path.exists():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise DataError(
                f'{root} holds data that no street scene writer made; '
                'choose another folder'
            )
        return
    try:
        old = read_json(path, f'remove {root} by hand')
        files = _old_files(root, layout, old)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path} is damaged ({error!r}); remove {root} by hand'
        ) from error
    if overwrite:
        for name in files:
            name.unlink(missing_ok=True)
        return
    changed = [key for key in settings if old.get(key) != settings[key]]
    if changed:
        raise DataError(
            f'{root} holds street scenes of other settings '
            f'({", ".join(changed)}); choose another folder or '
            'overwrite them (--overwrite)'
        )


def _old_files(root: Path, layout: SceneLayout, old: dict) -> list[Path]:
    """Return the paths that an earlier call with those settings wrote."""
    kinds = {kind.name: kind for kind in LAYOUTS.values()}
    kinds[layout.name] = type(layout)
    old_layout = kinds[old['layout']](**old['options'])
    common = [root / name for name in old_layout.common_files()]
    return common + [
        root / name
        for split, count in old['counts'].items()
        for number in range(count)
        for name in old_layout.files(split, number)
    ]
