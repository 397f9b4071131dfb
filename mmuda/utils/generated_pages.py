# Copyright (c) mmuda authors.
"""Tables in Markdown, and pages of which parts are made of other files."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    Args:
        rows: Cells of the heading and of all rows.
    """
    line = ['---'] * len(rows[0])
    return ''.join(
        f'| {" | ".join(cells)} |\n' for cells in (rows[0], line, *rows[1:])
    )


def with_parts(
    page: Path,
    kind: str,
    needed: str,
    known: Iterable[str],
    part: Callable[[str], str],
) -> str:
    """Text of a page whose parts between markers are made anew.

    Args:
        page: With ``<!-- KIND: NAME -->`` and ``<!-- end -->`` around each.
        kind: Of the markers.
        needed: Name that the page has to have.
        known: Names of all parts.
        part: Makes the text of one.

    Raises:
        ConfigError: A marker has another name, or that of the part that is
            needed is missing.
    """
    pattern = re.compile(
        rf'(<!-- {kind}: (\w+) -->\n).*?(^<!-- end -->$)', re.M | re.S
    )
    text = page.read_text()
    names = [name for _, name, _ in pattern.findall(text)]
    if needed not in names:
        raise ConfigError(
            f'{page}: has no <!-- {kind}: {needed} --> before an '
            '<!-- end -->; add them where the table shall stand'
        )
    known = list(known)
    for name in names:
        if name not in known:
            raise ConfigError(
                f'{page}: <!-- {kind}: {name} --> is none of '
                f'{", ".join(known)}'
            )
    return pattern.sub(
        lambda found: f'{found[1]}\n{part(found[2])}\n{found[3]}', text
    )


def write_stale(wanted: Mapping[Path, str], root: Path, check: bool) -> int:
    """Write files that are not as they should be, and name them.

    Args:
        wanted: Texts by path.
        root: Folder that the names are relative to.
        check: Only name them.

    Returns:
        Exit code: 1 if ``check`` finds any.
    """
    stale = {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        print(path.relative_to(root))
        if not check:
            atomic_write(path, text)
    return 1 if check and stale else 0
