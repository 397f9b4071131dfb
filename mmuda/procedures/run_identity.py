# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Which procedure a folder holds."""

import ast
import json
from pathlib import Path

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, written_format

FILE = 'recipe.json'
FORMAT_VERSION = 1
# Keys of a config that no training and no labelling reads.
_TESTED = ('test_', 'tta_')


def require_same_recipe(work_dir: Path, identity: dict) -> None:
    """Refuse to continue another recipe than the one that a folder holds.

    Args:
        work_dir: Folder of everything; on the first call ``recipe.json`` is
            written there.
        identity: All that the results depend on, by the name to tell. Those
            named ``config`` are texts of configs; what they say on tests
            does not count.

    Raises:
        ConfigError: The folder holds another recipe.
        DataError: ``recipe.json`` is damaged, or a later mmuda wrote it.
    """
    file = work_dir / FILE
    if not file.exists():
        content = written_format(FORMAT_VERSION) | identity
        atomic_write(file, json.dumps(content, indent=1))
        return
    remedy = 'remove it, or choose another folder by --work-dir'
    earlier = read_json(file, remedy, newest=FORMAT_VERSION)
    differing = [
        name
        for name, value in identity.items()
        if not _alike(name, earlier.get(name), value)
    ]
    if differing:
        raise ConfigError(
            f"--work-dir: '{work_dir}' holds a run with another "
            f'{" and another ".join(differing)}; choose another folder'
        )


def _alike(name: str, earlier: object, value: object) -> bool:
    if earlier == value:
        return True
    texts = isinstance(earlier, str) and isinstance(value, str)
    if not texts or 'config' not in name:
        return False
    return _trained(str(earlier)) == _trained(str(value))


def _trained(config: str) -> object:
    """What a config's text says, without what it says on tests.

    It is only looked at: a file that somebody has changed runs nothing.
    """
    try:
        return sorted(
            ast.dump(node)
            for node in ast.parse(config).body
            if not _is_of_tests(node)
        )
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        return config


def _is_of_tests(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id.startswith(_TESTED)
        for target in node.targets
    )
