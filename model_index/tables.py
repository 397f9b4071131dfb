# Copyright (c) mmuda authors.
"""Tables of published numbers, between the markers of a page."""

from collections.abc import Mapping
from pathlib import Path

from mmuda.utils.generated_pages import markdown_table, with_parts
from model_index.entries import MEAN, Entry

# The page of the headlines, and the way from it to the configs.
HEADLINES = 'docs/methods/index.md'
_CONFIGS = '../../configs/'
COLUMNS = ('config', 'domains', 'network', 'published mIoU', 'provenance')
# How a number is written in a matrix, and what that means.
MARKS = dict(confirmed='{}', recalled='*{}*', doubtful='*{}*?')
LEGEND = (
    'mIoU in the order of the targets; *italic*: recalled, *italic*?: '
    "recalled with doubt, or perhaps not the publication's; –: none is known."
)


def row(entry: Entry, base: str) -> list[str]:
    """Cells of a list of configs.

    Args:
        entry: Of the row.
        base: Leads from the page to the folder.
    """
    model = entry.model
    names = [Path(leaf).name for leaf in entry.leaves]
    config = ', also as '.join(f'[{n}]({base}{n})' for n in names)
    if 'configs' in model:
        config = ' + '.join(f'`{n}`' for n in model['configs']) + ', ensemble'
    told = ' / '.join(dict.fromkeys(entry.certainty.values()))
    if told:
        told += f' ({entry.source})'
    told = '; '.join(filter(None, [told, model.get('note')]))
    network = ', '.join(entry.network)
    return [config, entry.domains, network, numbers_of(entry), told]


def numbers_of(entry: Entry, marks: Mapping[str, str] = {}) -> str:
    """Published numbers of an entry.

    Args:
        entry: May have none.
        marks: How to write one, by its certainty.
    """
    numbers = ' / '.join(
        'mean ' * (metric == MEAN)
        + marks.get(entry.certainty[metric], '{}').format(
            f'{number:.{entry.decimals}f}'
        )
        for metric, number in entry.numbers.items()
    )
    if 'range' in entry.model:
        low, high = (f'{n:.{entry.decimals}f}' for n in entry.model['range'])
        numbers += f' ({low} to {high} over runs)'
    return numbers or '–'


def cell(entry: Entry) -> str:
    """An entry in a matrix of domains and columns."""
    (leaf,) = entry.leaves
    note = entry.model.get('note')
    text = f'[{numbers_of(entry, MARKS)}]({Path(leaf).name})'
    return f'{text} ({note})' if note else text


def matrix(entries: list[Entry]) -> str:
    """Domains by columns, with the network of the first one of a column.

    Args:
        entries: Each with a column.
    """
    networks: dict[str, str] = {}
    cells: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        column, network = entry.model['column'], ', '.join(entry.network)
        name = entry.domains
        if networks.setdefault(column, network) != network:
            name = f'{name}, on {network}'
        found = cells.setdefault(name, {})
        found.setdefault(column, []).append(cell(entry))
    head = ['domains', *(f'{c} ({n})' for c, n in networks.items())]
    rows = [
        [name, *(', '.join(found.get(column, [])) for column in networks)]
        for name, found in cells.items()
    ]
    return f'{markdown_table([head, *rows])}\n{LEGEND}\n'


def table(name: str, entries: dict[str, list[Entry]]) -> str:
    """The table of a folder, or of all headlines.

    Args:
        name: The folder, or ``headlines``, for the page of the methods.
        entries: By folder.
    """
    shown = entries.get(name) or [
        entry
        for found in entries.values()
        for entry in found
        if entry.model.get('headline')
    ]
    if name in entries and all('column' in entry.model for entry in shown):
        return matrix(shown)
    rows = [
        row(
            entry, '' if name == entry.folder else f'{_CONFIGS}{entry.folder}/'
        )
        for entry in shown
    ]
    return markdown_table([[*COLUMNS], *rows])


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
    return with_parts(
        page,
        'published',
        needed,
        ['headlines', *entries],
        lambda name: table(name, entries),
    )
