"""Limits of size, docstrings of what is public, floors, depth of classes."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_CLASS_DEPTH = 3
# What runs, without the tests; ``mmuda`` alone is installed.
PROGRAMS = (
    *('mmuda', 'street_scenes', 'benchmarks', 'demo', 'model_index'),
    *('experiments', 'docs_site', 'tools'),
)
# The command, beside the package.
COMMAND = Path('mmuda_cli.py')
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
# A row of CONTRIBUTING's table of floors: number, part.
ROW = re.compile(r'^\| (\d+) \| `([\w./]+)` \|', re.MULTILINE)


def files(*folders):
    """Python files below folders of the repository, as relative paths.

    With the package comes the command beside it.
    """
    found = [
        path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).rglob('*.py'))
    ]
    return [*found, *[COMMAND] * ('mmuda' in folders)]


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


def floors():
    """Floors by the dotted names of their parts, as CONTRIBUTING says."""
    rows = ROW.findall((ROOT / 'CONTRIBUTING.md').read_text())
    return {
        part.removesuffix('.py').strip('/').replace('/', '.'): int(floor)
        for floor, part in rows
    }


def imports(path):
    """Dotted names that a file imports, those of modules and of the rest."""
    package = path.parent.parts
    for node in ast.walk(parse(path)):
        names = getattr(node, 'names', ())
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level]
            base = [*(start if node.level else ()), node.module or '']
            for alias in names:
                yield '.'.join([*filter(None, base), alias.name])


def part_of(name, parts):
    """The part of the house that a module is in; None outside."""
    found = [p for p in parts if f'{name}.'.startswith(f'{p}.')]
    return max(found, key=len, default=None)


def test_imports_go_down():
    known, climbs = floors(), set()
    for path in files(*PROGRAMS):
        own = part_of('.'.join(path.with_suffix('').parts), known)
        if path == Path('mmuda/__init__.py'):
            continue  # comes before every floor
        assert own is not None, (
            f'{path}: its part has no floor in CONTRIBUTING.md'
        )
        for name in imports(path):
            part = part_of(name, known)
            if part not in (own, None) and known[part] >= known[own]:
                climbs.add(f'{path} imports {name}')
    assert climbs == set()


def test_modules_have_names_of_their_own():
    names = Counter(path.stem for path in files(*PROGRAMS[:-1]))
    twice = {name for name, count in names.items() if count > 1}
    assert twice == {'__init__'}


def test_classes_are_not_deep():
    """Classes of one name count as one; bases of other packages do not."""
    bases = {}
    for path in files(*PROGRAMS):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                names = {
                    ast.unparse(base).split('.')[-1] for base in node.bases
                }
                bases.setdefault(node.name, set()).update(names - {node.name})

    def depth(name):
        return 1 + max(map(depth, bases[name] & bases.keys()), default=0)

    deep = {name for name in bases if depth(name) > MAX_CLASS_DEPTH}
    assert deep == set()


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
