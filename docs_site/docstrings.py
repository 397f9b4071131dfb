# Copyright (c) mmuda authors.
"""What docstrings have of Sphinx as links and formulas of the site."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r':(class|func|meth|mod|data|attr|exc):`~?\.?([\w.]+)`')
_MATH = re.compile(r':math:`([^`]+)`')
_BLOCK = re.compile(
    r'^( *)\.\. math:: *'
    r'(\S.*(?:\n\1 {2,}\S.*)*|\n\n?(?:\1 {2,}\S.*\n?)+)',
    re.M,
)
_ADDRESS = re.compile(r'`([^`<]+?)\s+<(https?://[^>]+)>`__?')
_LITERAL = re.compile(r'::$', re.M)
# What the pages of the API leave out.
_PRIVATE = re.compile(r'(?:^|\.)_')


class Roles(griffe.Extension):
    """Changes docstrings once the package is read."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Change all of them.

        Args:
            pkg: The package.
            **kwargs: Are not needed.
        """
        _change(pkg, pkg)


def _change(thing: griffe.Object, package: griffe.Module) -> None:
    if thing.docstring is not None:
        thing.docstring.value = _ROLE.sub(
            lambda match: _link(match[2], thing, package),
            as_markdown(thing.docstring.value),
        )
    for member in thing.members.values():
        if not member.is_alias:
            _change(member, package)


def as_markdown(text: str) -> str:
    """Formulas, addresses and blocks of code as Markdown has them.

    Args:
        text: Of a docstring.
    """
    text = _BLOCK.sub(_block, text)
    text = _MATH.sub(lambda match: f'${" ".join(match[1].split())}$', text)
    text = _ADDRESS.sub(
        lambda match: f'[{" ".join(match[1].split())}]({match[2]})', text
    )
    return _LITERAL.sub(':', text)


def _block(match: re.Match) -> str:
    formula = ' '.join(match[2].split())
    if '&' in formula:  # as Sphinx does
        formula = rf'\begin{{aligned}} {formula} \end{{aligned}}'
    return f'{match[1]}$$\n{match[1]}{formula}\n{match[1]}$$\n'


def _link(name: str, thing: griffe.Object, package: griffe.Module) -> str:
    """A link to what a name stands for, if the site shows it."""
    try:
        path = name if name.startswith('mmuda.') else thing.resolve(name)
        target = package.modules_collection[path]
        path = target.canonical_path
        shown = target.has_docstring and not target.is_module
    except (KeyError, griffe.GriffeError):
        shown = False
    if not shown or _PRIVATE.search(path):
        return f'`{name}`'
    return f'[`{name}`][{path}]'
