# Copyright (c) mmuda authors.
"""What the file of published numbers says wrong, twice or not at all."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from model_index.entries import Entry, Model

_NUMBER = re.compile(r'\b\d\d\.\d+\b')
_UNPUBLISHED = re.compile(r'\bnot published|\bno (\w+ )?result', re.I)


def find_faults(root: Path, entries: dict[str, list[Entry]]) -> Iterator[str]:
    """Compare the file with the configs.

    Args:
        root: Of the repository.
        entries: By folder.

    Yields:
        A line for each fault.
    """
    every = [entry for found in entries.values() for entry in found]
    listed = Counter(leaf for entry in every for leaf in entry.leaves)
    base = root / 'configs'
    leaves = {
        str(path.relative_to(base))
        for folder in entries
        for path in (base / folder).rglob('*.py')
        # made-up streets
        if 'demo' not in path.stem.split('_')
    }
    for leaf in sorted(listed.keys() | leaves):
        if listed[leaf] != 1:
            yield f'{leaf}: is in {listed[leaf]} entries; it needs one'
        if leaf not in leaves:
            yield f'{leaf}: no such config'
    for name, count in Counter(Path(leaf).stem for leaf in listed).items():
        if count > 1:
            yield f'{name}: is the name of {count} configs; rename one'
    for folder, found in entries.items():
        columns = {'column' in entry.model for entry in found}
        alone = all(len(entry.leaves) == 1 for entry in found)
        if len(columns) > 1 or (True in columns and not alone):
            yield f'{folder}: all models or none have one config and a column'
    for entry in every:
        yield from _faults_of_numbers(entry)
        for leaf in entry.leaves:
            if leaf in leaves:
                comment = leading_comment(base / leaf)
                yield from _faults_of_comment(entry, comment, leaf)


def leading_comment(path: Path) -> str:
    """What a config says before its first line, in one line."""
    comment = re.match(r'(#.*\n)*', path.read_text())
    assert comment is not None  # it may be empty
    return comment[0].replace('\n#', '')


def _faults_of_numbers(entry: Entry) -> Iterator[str]:
    """Numbers without a source, or that no test would give."""
    model, numbers = entry.model, entry.numbers
    names = model.get('configs') or [model.get('config', '')]
    where = f'{entry.folder}/{" + ".join(names)}'
    for key in sorted(model.keys() - Model.__annotations__):
        yield f'{where}: {key} is none of {", ".join(Model.__annotations__)}'
    if numbers and not entry.source:
        yield f'{where}: has no source, nor has its collection'
    if not numbers and model.keys() & {'source', 'certainty', 'range'}:
        yield f'{where}: has a source, a certainty or a range of no number'
    if entry.certainty.keys() != numbers.keys():
        yield f'{where}: certainty has other metrics than published'
    for metric in sorted(numbers.keys() - entry.metrics.keys()):
        known = ', '.join(entry.metrics)
        yield f'{where}: a test gives no {metric}, but {known}'


def _faults_of_comment(entry: Entry, comment: str, leaf: str) -> Iterator[str]:
    """Numbers in a leaf's comment that are not those of the file."""
    known = [*entry.numbers.values(), *entry.model.get('range', ())]
    said = [float(number) for number in _NUMBER.findall(comment)]
    if said != [number for number in known if number in said]:
        yield f'{leaf}: its comment says {said}, the file {known}'
    if entry.numbers and _UNPUBLISHED.search(comment):
        yield f'{leaf}: its comment says that nothing is published'
