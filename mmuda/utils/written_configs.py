# Copyright (c) mmuda authors.
"""Configs as MMEngine has written them, read without being run."""

import ast
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmuda.utils.flat_values import flat
from mmuda.utils.json_files import read_plain_file

_NUMBERS = dict(inf=math.inf, nan=math.nan)
# How keys from elsewhere, as in ``dict(**a)``, are called.
_OTHERS = '**'


class _MoreThanData(ValueError):
    """Names the line."""


def read_config_text(text: str, strict: bool = True) -> dict[str, Any]:
    """Values that the text of a config assigns, by name.

    Args:
        text: As ``Config.dump`` writes it: assignments of literals, and of
            calls of ``dict`` and ``float``. Nothing of it is run.
        strict: Refuse what is more than data. Without it the text of such an
            expression stands for its value, and statements that assign
            nothing are left out.

    Raises:
        ValueError: It is no Python, is nested too deeply or, if ``strict``,
            is more than data; names the line where that is known.
    """
    try:
        return dict(_assignments(ast.parse(text), strict))
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(str(error) or 'nested too deeply') from error


def read_dumped_config(file: Path) -> dict[str, Any]:
    """Values of a config by dotted key; what is no plain value as its text.

    Args:
        file: As ``Config.dump`` writes it. Nothing of it is run.

    Raises:
        DataError: It can't be read.
    """
    text = read_plain_file(file, 'remove it').decode('utf-8', 'replace')
    try:
        values = read_config_text(text, strict=False)
    except ValueError as error:
        return {file.name: f'no config ({error})'}
    return dict(flat(values)) if values else {}


def _assignments(
    module: ast.Module, strict: bool
) -> Iterator[tuple[str, Any]]:
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        named = len(targets) == 1 and isinstance(targets[0], ast.Name)
        if strict and not named:
            raise _MoreThanData(
                f'line {node.lineno} assigns no value to a name'
            )
        if isinstance(node, ast.Assign) and len(targets) == 1:
            yield ast.unparse(targets[0]), _value(node.value, strict)


def _value(node: ast.expr, strict: bool) -> Any:
    """What an expression writes down, or its text unless ``strict``."""
    try:
        return _data(node, strict)
    # Of keys that can't be any, and of numbers that aren't any, too.
    except (ValueError, TypeError, OverflowError) as error:
        if not strict:
            return ast.unparse(node)
        if isinstance(error, _MoreThanData):
            raise
        raise _MoreThanData(f'line {node.lineno}: {error}') from error


def _data(node: ast.expr, strict: bool) -> Any:
    """The plain value that an expression writes down."""
    value = partial(_value, strict=strict)
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.List(elts=parts):
            return [*map(value, parts)]
        case ast.Tuple(elts=parts):
            return tuple(map(value, parts))
        case ast.Set(elts=parts):
            return {*map(value, parts)}
        case ast.Dict(keys=keys, values=parts):
            if not (strict and None in keys):
                names = (_OTHERS if k is None else value(k) for k in keys)
                return dict(zip(names, map(value, parts), strict=True))
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=words):
            if not strict or all(word.arg for word in words):
                return {
                    word.arg or _OTHERS: value(word.value) for word in words
                }
        # as MMEngine writes keys that are no names, such as ids of labels
        case ast.Call(
            func=ast.Name(id='dict'), args=[ast.Dict() as part], keywords=[]
        ):
            return value(part)
        case ast.Call(func=ast.Name(id='float'), args=[part], keywords=[]):
            return float(value(part))
        case ast.Name(id=name) if name in _NUMBERS:
            return _NUMBERS[name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -value(part)
    raise _MoreThanData(f'line {node.lineno} holds {type(node).__name__}')
