# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Tables of published numbers, between the markers of a page."""

import re
from pathlib import Path

from mmuda.utils.errors import ConfigError
from model_index.entries import Entry

COLUMNS = ('config', 'domains', 'network', 'published mIoU', 'provenance')
_TABLE = re.compile(
    r'(<!-- published: (\w+) -->\n).*?(^<!-- end -->$)', re.M | re.S
)


def row(entry: Entry, base: str) -> list[str]:
    """Cells of a table; ``base`` leads from its page to the folder."""
    model = entry.model
    names = [Path(leaf).name for leaf in entry.leaves]
    config = ', also as '.join(f'[{n}]({base}{n})' for n in names)
    if 'configs' in model:
        config = ' + '.join(f'`{n}`' for n in model['configs']) + ', ensemble'
    numbers = ' / '.join(
        f'{"mean " if metric.startswith("mean/") else ""}'
        f'{entry.decimals(number)}'
        for metric, number in entry.numbers.items()
    )
    if 'range' in model:
        low, high = map(entry.decimals, model['range'])
        numbers += f' ({low} to {high} over runs)'
    told = ' / '.join(dict.fromkeys(entry.certainty.values()))
    if told:
        told += f' ({model["source"]})'
    told = '; '.join(filter(None, [told, model.get('note')]))
    network = ', '.join(entry.network)
    return [config, entry.domains, network, numbers or '–', told]


def table(name: str, entries: dict[str, list[Entry]]) -> str:
    """The table of a folder, or of all headlines.

    Args:
        name: The folder, or ``headlines``, for the page of the repository.
        entries: By folder.
    """
    shown = entries.get(name) or [
        entry
        for found in entries.values()
        for entry in found
        if entry.model.get('headline')
    ]
    rows = [
        row(entry, '' if name == entry.folder else f'configs/{entry.folder}/')
        for entry in shown
    ]
    cells = [COLUMNS, ['---'] * len(COLUMNS), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in cells)


def with_tables(
    page: Path, needed: str, entries: dict[str, list[Entry]]
) -> str:
    """Text of a page with new tables.

    Args:
        page: With a marker ``<!-- published: NAME -->`` and ``<!-- end -->``
            around each table.
        needed: The table that it has to have.
        entries: By folder.

    Raises:
        ConfigError: A marker names no folder, or that of the table that is
            needed is missing.
    """
    text = page.read_text()
    names = [name for _, name, _ in _TABLE.findall(text)]
    if needed not in names:
        raise ConfigError(
            f'{page}: has no <!-- published: {needed} --> before an '
            '<!-- end -->; add them where the table shall stand'
        )
    for name in names:
        if name != 'headlines' and name not in entries:
            known = ', '.join(['headlines', *entries])
            raise ConfigError(
                f'{page}: <!-- published: {name} --> is none of {known}'
            )
    return _TABLE.sub(
        lambda found: f'{found[1]}\n{table(found[2], entries)}\n{found[3]}',
        text,
    )
