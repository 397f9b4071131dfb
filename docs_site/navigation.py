# Copyright (c) mmuda authors.
"""The navigation of the site, with pages in place of patterns."""

import fnmatch
from collections.abc import Iterator
from typing import Any

_INDEXES = ('index.md', 'README.md')


def expanded(nav: list[Any], pages: list[str]) -> list[Any]:
    """A navigation in which every page has its place.

    Args:
        nav: As in ``mkdocs.yml``. An entry with a star, ``methods/*``, stands
            for all pages of that name that no entry without one names; a star
            alone for those in no folder.
        pages: All there are, as paths below the folder of pages.

    Returns:
        Without stars, and without sections that would be empty.
    """
    left = [page for page in pages if page not in {*_leaves(nav)}]
    return [new for entry in nav for new in _walk(entry, left)]


def _walk(entry: Any, left: list[str]) -> list[Any]:
    if isinstance(entry, dict):
        ((title, below),) = entry.items()
        if isinstance(below, str):
            return [entry]
        found = [new for part in below for new in _walk(part, left)]
        return [{title: found}] if found else []
    if '*' not in entry:
        return [entry]
    found = fnmatch.filter(left, entry)
    if '/' not in entry:
        found = [page for page in found if '/' not in page]
    # The page of a folder goes before those in it.
    first = [f'{entry[:-1]}{name}' for name in _INDEXES]
    return sorted(
        found, key=lambda page: (page not in first, page.removesuffix('.md'))
    )


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
        return
    for part in nav.values() if isinstance(nav, dict) else nav:
        yield from _leaves(part)
