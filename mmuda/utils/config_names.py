# Copyright (c) mmuda authors.
"""Configs by path or name, those that come with mmuda from any folder."""

import difflib
import os
import re
from functools import cache
from pathlib import Path, PurePath

from mmuda.utils.errors import ConfigError
from mmuda.utils.renamed_configs import near_names, successor
from mmuda.utils.text import alternatives
from mmuda.utils.tool_commands import DEMO_PACKAGE, tools_folder

# As mmengine names the configs of a package.
_PREFIX = 'mmuda::'
# Configs of these names or this folder, which learn from generated streets or
# from random weights, are in the wheel of the demo (demo_wheel/).
_DEMO = 'demo'
_OF_DEMO_WHEEL = {_DEMO, 'carla2camvid'}


def packaged_configs() -> Path:
    """Folder of the configs that come with mmuda."""
    return tools_folder().parent / 'configs'


def find_config(name: str | os.PathLike) -> Path:
    """The file of a config.

    Args:
        name: A file that exists, or did in an earlier version; else a config
            that comes with mmuda: its file name, ``advent_gta2cs``, or its
            path, ``configs/advent/advent_gta2cs.py``, with or without ``.py``
            and ``configs/``, or behind ``mmuda::``.

    Raises:
        ConfigError: There is none; names those that are near.
    """
    path = Path(name)
    if path.is_file() or successor(path) is not None:
        return path
    found = _packaged(str(name))
    if found is None:
        raise ConfigError(f'{name}: no such config file{_near(path)}')
    return found


def config_argument(text: str) -> Path:
    """Convert the argument of a tool; what there is not is told later."""
    try:
        return find_config(text)
    except ConfigError:
        return Path(text)


def _packaged(name: str) -> Path | None:
    path = PurePath(name.removeprefix(_PREFIX))
    if path.is_absolute() or '..' in path.parts:
        return None
    path = path if path.suffix == '.py' else path.with_name(f'{path.name}.py')
    if len(path.parts) == 1:
        return _leaves().get(path.stem)
    root = packaged_configs()
    file = root / _below_configs(path)
    return file if file.is_file() or successor(file) is not None else None


def _below_configs(path: PurePath) -> PurePath:
    return PurePath(*path.parts[1:]) if path.parts[0] == 'configs' else path


@cache
def _leaves() -> dict[str, Path]:
    """Configs that can be run, by name; each has one of its own."""
    root = packaged_configs()
    return {
        file.stem: file
        for file in sorted(root.rglob('*.py'))
        if '_base_' not in file.relative_to(root).parts
    }


def _is_of_demo(path: PurePath) -> bool:
    words = {*re.split(r'\W|_', path.name)}
    return bool(words & _OF_DEMO_WHEEL) or path.parent.name == _DEMO


def _near(path: Path) -> str:
    """What may have been meant, or where names come from."""
    near = near_names(path)
    if near:
        return near
    root, leaves = packaged_configs(), _leaves()
    if _is_of_demo(path) and not (root / _DEMO).is_dir():
        return (
            '; the configs of the demo, and those on CARLA and CamVid, are '
            f'in {DEMO_PACKAGE}'
        )
    if len(path.parts) == 1:
        asked, known = path.name.removesuffix('.py'), [*leaves]
    else:
        asked = _below_configs(path).as_posix()
        known = [f.relative_to(root).as_posix() for f in leaves.values()]
    close = difflib.get_close_matches(asked.removeprefix(_PREFIX), known)
    if close:
        return f' (did you mean {alternatives(close)}?)'
    is_name = len(path.parts) == 1
    return f'; those that come with mmuda are in {root}' if is_name else ''
