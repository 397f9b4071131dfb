"""Limits of size that every file keeps, and docstrings of what is public."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
# What runs, without the tests; ``mmuda`` alone is installed.
PROGRAMS = ('mmuda', 'street_scenes', 'benchmarks', 'demo', 'tools')
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def files(*folders):
    """Python files below folders of the repository, as relative paths."""
    return [
        path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).rglob('*.py'))
    ]


def parse(path):
    return ast.parse((ROOT / path).read_text())


def lines_of(function):
    """Lines of a function with its signature, without its docstring."""
    count = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        count -= text.end_lineno - text.lineno + 1
    return count


def public(node, bases=()):
    """Public functions, methods and classes, each with a dotted name."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*FUNCTION, ast.ClassDef)):
            continue
        if child.name.startswith('_'):
            continue
        yield '.'.join([*bases, child.name]), child
        if isinstance(child, ast.ClassDef):
            yield from public(child, (*bases, child.name))


def is_setter(node):
    """Whether a docstring belongs to the getter instead."""
    return any(
        isinstance(decorator, ast.Attribute) and decorator.attr == 'setter'
        for decorator in node.decorator_list
    )


def test_files_are_short():
    long = {}
    for path in files(*PROGRAMS, 'tests'):
        count = len((ROOT / path).read_text().splitlines())
        if count > MAX_FILE_LINES:
            long[str(path)] = count
    assert long == {}


def test_functions_are_short():
    long = {
        f'{path}:{node.name}': lines_of(node)
        for path in files(*PROGRAMS)
        for node in ast.walk(parse(path))
        if isinstance(node, FUNCTION) and lines_of(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_what_is_public_has_a_docstring():
    bare = [
        f'{path}:{name}'
        for path in files(*PROGRAMS[:-1])
        for name, node in public(parse(path))
        if ast.get_docstring(node) is None and not is_setter(node)
    ]
    assert bare == []


def test_docstrings_are_not_counted():
    code = (
        'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    return a\n'
    )
    assert lines_of(ast.parse(code).body[0]) == 4


@pytest.mark.parametrize('folder', [*PROGRAMS, 'tests'])
def test_files_are_found(folder):
    assert len(files(folder)) > 4
