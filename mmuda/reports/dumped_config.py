# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Configs as runs have written them, read without being run."""

import ast
from pathlib import Path
from typing import Any

from mmuda.utils.flat_values import flat
from mmuda.utils.json_files import read_plain_file

_REMEDY = 'remove it'


def read_dumped_config(file: Path) -> dict[str, Any]:
    """Values of a config by dotted key; what is no plain value as its text.

    Args:
        file: As ``Config.dump`` writes it: assignments of literals and of
            calls of ``dict``. Nothing of it is run.

    Raises:
        DataError: It can't be read.
    """
    text = read_plain_file(file, _REMEDY).decode('utf-8', 'replace')
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {file.name: f'no config ({error})'}
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            name = ast.unparse(node.targets[0])
            found |= flat(_value(node.value), name)
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        pairs = {k.arg or '**': _value(k.value) for k in node.keywords}
        return pairs or {}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    if isinstance(node, ast.Dict):
        names = [_name(key) for key in node.keys]
        values = [_value(value) for value in node.values]
        return dict(zip(names, values, strict=True))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return ast.unparse(node)


def _name(key: ast.expr | None) -> str:
    if isinstance(key, ast.Constant):
        return str(key.value)
    return '**' if key is None else ast.unparse(key)
