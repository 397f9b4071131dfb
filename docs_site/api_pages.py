# Copyright (c) mmuda authors.
"""A page for each package, of the docstrings of its modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

from docs_site.repository_files import ROOT

PACKAGE = 'mmuda'
_PUBLIC = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def packages() -> list[str]:
    """Dotted names of all packages that have modules to show."""
    folders = [p.parent for p in (ROOT / PACKAGE).rglob('__init__.py')]
    names = ['.'.join(f.relative_to(ROOT).parts) for f in folders]
    return sorted(name for name in names if modules(name))


def modules(package: str) -> list[str]:
    """Dotted names of the modules of a package that have something public.

    Args:
        package: Its dotted name.
    """
    files = sorted(folder_of(package).glob('*.py'))
    return [
        f'{package}.{file.stem}'
        for file in files
        if not file.stem.startswith('_') and _has_public(file)
    ]


def folder_of(package: str) -> Path:
    """Where a package lies.

    Args:
        package: Its dotted name.
    """
    return ROOT / package.replace('.', '/')


def _has_public(file: Path) -> bool:
    return any(
        isinstance(node, _PUBLIC) and not node.name.startswith('_')
        for node in ast.parse(file.read_text()).body
    )


def summary(package: str) -> str:
    """What the first line of a package's docstring says.

    Args:
        package: Its dotted name.
    """
    text = (folder_of(package) / '__init__.py').read_text()
    found = ast.get_docstring(ast.parse(text)) or ''
    return found.partition('\n')[0]


def api_pages() -> Iterator[tuple[str, str]]:
    """Path below the folder of pages, and text, of each page."""
    rows = [
        f'| [`{name}`]({name}.md) | {summary(name)} |\n' for name in packages()
    ]
    yield (
        'api/index.md',
        '# API\n\nEach package with all that is public in it, from the '
        'docstrings. A name that `type=` of a config holds is a class '
        f'of these.\n\n| package | |\n|---|---|\n{"".join(rows)}',
    )
    for name in packages():
        shown = ''.join(f'::: {module}\n\n' for module in modules(name))
        text = f'# {name}\n\n{summary(name)}\n\n{shown}'
        yield f'api/{name}.md', text
