# Copyright (c) mmuda authors.
"""The page of published checkpoints: where they lie, what they must score."""

import shlex
from pathlib import Path

from mmuda.utils.errors import ConfigError
from mmuda.utils.generated_pages import markdown_table, with_parts
from model_index.entries import NUMBERS, Checkpoint, Entry, Published
from model_index.tables import numbers_of

# What some published codes call each of their checkpoints.
_SHARED = ('latest.pth', 'model_final.pth')
COLUMNS = ('config', 'domains', 'file', 'must score')
SERVER = 'server, not printed'


def entry_of(checkpoint: Checkpoint, entries: list[Entry]) -> Entry:
    """The model that a checkpoint is one of.

    Args:
        checkpoint: Names its config.
        entries: Of its folder.

    Raises:
        ConfigError: None has that config.
    """
    for entry in entries:
        if checkpoint['config'] in map(_name, entry.leaves):
            return entry
    raise ConfigError(
        f'{NUMBERS}: checkpoints: {checkpoint["config"]} is no config of a '
        'model'
    )


def _name(leaf: str) -> str:
    return Path(leaf).name


def score(checkpoint: Checkpoint, entry: Entry) -> str:
    """What a checkpoint must score.

    Args:
        checkpoint: Its own number goes before those of the paper. What a
            server said is marked, because no test prints it.
        entry: Its model.
    """
    if 'score' in checkpoint:
        return f'{checkpoint["score"]:.2f}'
    text = 'about ' * checkpoint.get('mean', False) + numbers_of(entry)
    words = {*entry.certainty.values()} - {'confirmed'}
    server = SERVER if 'server' in checkpoint else None
    notes = [*sorted(words), *filter(None, [server, checkpoint.get('note')])]
    return f'{text} ({"; ".join(notes)})' if notes else text


def row(checkpoint: Checkpoint, entry: Entry) -> list[str]:
    """Cells of a checkpoint.

    Args:
        checkpoint: Of the row.
        entry: Its model.
    """
    name = checkpoint['config']
    return [
        f'[{name}](../configs/{entry.folder}/{name})',
        entry.domains,
        f'[{checkpoint["file"]}]({checkpoint["address"]})',
        score(checkpoint, entry),
    ]


def commands(checkpoint: Checkpoint, entry: Entry) -> str:
    """What converts a checkpoint and tests it, or exports for a server.

    Args:
        checkpoint: As downloaded into the current folder, under a name of
            its own.
        entry: Its model.
    """
    config = f'configs/{entry.folder}/{checkpoint["config"]}'
    ours = f'{Path(config).stem}.pth'
    tool = f'tools/model_converters/{checkpoint["converter"]}.py'
    theirs = checkpoint['file']
    if theirs in _SHARED:
        theirs = f'{Path(config).stem}_{theirs}'
    words = [tool, shlex.quote(theirs), ours, checkpoint.get('options', '')]
    test = ['tools/test.py', config, ours, checkpoint.get('test', '')]
    if 'server' in checkpoint:
        test += _export(checkpoint['server'], entry, Path(config).stem)
    lines = (' '.join(filter(None, line)) for line in (words, test))
    return ''.join(f'python {line}\n' for line in lines)


def _export(server: str, entry: Entry, folder: str) -> list[str]:
    """Options that export test images, which lie beside those of ``val``."""
    dataset = 'test_dataloader.dataset'
    path = entry.cfg.test_dataloader.dataset.data_prefix['img_path']
    parts = ['test' if part == 'val' else part for part in path.split('/')]
    return [
        f'--export exported/{folder} --format {server} --cfg-options',
        shlex.quote(f'{dataset}.data_prefix.img_path={"/".join(parts)}'),
        f'{dataset}.data_prefix.seg_map_path=None',
    ]


def zoo(published: Published, entries: dict[str, list[Entry]]) -> str:
    """All checkpoints, by paper.

    Args:
        published: The file of numbers.
        entries: By folder.
    """
    papers: dict[str, list[tuple[Checkpoint, Entry]]] = {}
    for name, folder in published['folders'].items():
        for checkpoint in folder.get('checkpoints', ()):
            entry = entry_of(checkpoint, entries[name])
            papers.setdefault(entry.paper['name'], []).append(
                (checkpoint, entry)
            )
    return '\n'.join(_section(found) for found in papers.values())


def _section(found: list[tuple[Checkpoint, Entry]]) -> str:
    paper = found[0][1].paper
    table = markdown_table([[*COLUMNS], *(row(*pair) for pair in found)])
    typed = ''.join(commands(*pair) for pair in found)
    code = f' ([code]({paper["code"]}))' if 'code' in paper else ''
    licence = f'Licence{code}: {paper.get("licence", "unknown")}.'
    return (
        f'### {paper["name"]}\n\n{licence}\n\n{table}\n```bash\n{typed}```\n'
    )


def with_zoo(
    page: Path, published: Published, entries: dict[str, list[Entry]]
) -> str:
    """Text of the page with all checkpoints anew.

    Args:
        page: With ``<!-- checkpoints: all -->`` and ``<!-- end -->``.
        published: The file of numbers.
        entries: By folder.

    Raises:
        ConfigError: The markers are missing, or a checkpoint's config is.
    """
    part = zoo(published, entries)
    return with_parts(page, 'checkpoints', 'all', ['all'], lambda _: part)
