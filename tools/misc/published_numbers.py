# Copyright (c) mmuda authors.
"""Write the metafiles and the tables of published numbers.

Both are made of ``configs/published.yml`` and of the configs that it names.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmuda.utils.cli import add_traceback_option, run_tool
from mmuda.utils.errors import ConfigError
from mmuda.utils.generated_pages import write_stale

# This is beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from model_index import (
    HEADLINES,
    NUMBERS,
    find_faults,
    metafile,
    read_entries,
    read_published,
    with_tables,
    with_zoo,
)

ROOT = Path(__file__).resolve().parents[2]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing, list the files that are out of step',
    )
    parser.add_argument(
        '--root',
        type=Path,
        default=ROOT,
        metavar='DIR',
        help='checkout to read and to write (default: that of this tool)',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def wanted_files(root: Path) -> dict[Path, str]:
    """Metafiles and pages of a repository, as they should be."""
    published = read_published(root)
    folders, entries = published['folders'], read_entries(root, published)
    if faults := [*find_faults(root, entries)]:
        raise ConfigError(f'{NUMBERS}: {"; ".join(faults)}')
    wanted = {
        root / 'configs' / name / 'metafile.yml': metafile(
            name, folder, entries[name]
        )
        for name, folder in folders.items()
    }
    pages = {root / HEADLINES: 'headlines'}
    pages |= {root / 'configs' / n / 'README.md': n for n in folders}
    for page, name in pages.items():
        wanted[page] = with_tables(page, name, entries)
    zoo = root / 'docs/model_zoo.md'
    wanted[zoo] = with_zoo(zoo, published, entries)
    return wanted


def main(args: argparse.Namespace) -> int:
    """Write what is out of step, or list it."""
    return write_stale(wanted_files(args.root), args.root, args.check)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
