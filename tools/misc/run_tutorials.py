# Copyright (c) mmuda authors.
"""Make the notebooks of docs/tutorials of their sources, by running them.

A source is a Python file in cells (the percent format, which editors and
jupytext open as a notebook, too). All cells of one whose code has changed run
anew, in a folder of their own, and what they print and draw is written into
the notebook beside it.
pip install -r requirements/tutorials.txt brings what runs them.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import base64
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from mmuda.datasets.images.image_header import open_image
from mmuda.utils.cli import add_traceback_option, path_argument, run_tool
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write, require_writable_folder

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'docs' / 'tutorials'
# A page of the site loads all pictures of a notebook at once.
MOST_PICTURE_BYTES = 60_000
MOST_NOTEBOOK_BYTES = 400_000
CELL_SECONDS = 900
_QUALITIES = (85, 75, 60, 45, 30)
_MARKER = re.compile(r'^# %%(.*)\n', re.M)
_KINDS = {'': 'code', '[markdown]': 'markdown', 'language="bash"': 'bash'}
_ESCAPES = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')
# Of rich, where it does not write to a terminal; its name may stand above it.
_BAR = re.compile(r'^(?:\w+\n)?[^┏┡┗\n]*━{8}.*\n', re.M)
# A place that has fewer letters left may be anything.
_LEAST_CUT = 5
_KERNEL = {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'}
_METADATA = {'kernelspec': _KERNEL, 'language_info': {'name': 'python'}}


class Cell(NamedTuple):
    """A cell of a source.

    Attributes:
        kind: ``markdown``, ``code`` or ``bash``.
        text: Without the comment signs that markdown and commands have in the
            source.
    """

    kind: str
    text: str


def cells_of(source: str) -> list[Cell]:
    """Take a source apart.

    Args:
        source: Text of the file; what stands before the first ``# %%`` is for
            whoever reads the file.

    Raises:
        DataError: A cell is of another kind than ``# %%``,
            ``# %% [markdown]`` and ``# %% language="bash"``, or a line of a
            commented cell is no comment.
    """
    _, *parts = _MARKER.split(source)
    cells = []
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        if mark.strip() not in _KINDS:
            raise DataError(f'cells of kind {mark.strip()!r} are not known')
        kind, text = _KINDS[mark.strip()], text.strip('\n')
        cells.append(Cell(kind, text if kind == 'code' else _comments(text)))
    return cells


def _comments(text: str) -> str:
    for line in text.splitlines():
        if not re.match('#( |$)', line):
            raise DataError(f'{line!r}: all lines of this cell begin with #')
    return re.sub('^# ?', '', text, flags=re.M)


def notebook_of(cells: list[Cell]) -> dict[str, Any]:
    """A notebook that has not run yet, in format 4.5."""
    made: list[dict[str, Any]] = []
    for number, cell in enumerate(cells):
        text = f'%%bash\n{cell.text}' if cell.kind == 'bash' else cell.text
        content: dict[str, Any] = {
            'cell_type': 'markdown' if cell.kind == 'markdown' else 'code',
            'id': f'cell-{number}',
            'metadata': {},
            'source': text.splitlines(keepends=True),
        }
        if cell.kind != 'markdown':
            content |= {'execution_count': None, 'outputs': []}
        made.append(content)
    version = {'nbformat': 4, 'nbformat_minor': 5}
    return {'cells': made, 'metadata': _METADATA, **version}


def source_of(notebook: dict[str, Any]) -> list[tuple[str, str]]:
    """What is compared of two notebooks: kind and text of each cell."""
    return [
        (cell['cell_type'], ''.join(cell['source']))
        for cell in notebook['cells']
    ]


def clean_text(text: str, places: dict[str, str]) -> str:
    """Text as a page shows it.

    Args:
        text: What a cell has printed: with colours of a terminal, and with
            lines that were written over.
        places: What stands in the notebook for folders of this machine.
    """
    text = _ESCAPES.sub('', text).replace('\r\n', '\n')
    lines = [line.rpartition('\r')[2].rstrip() for line in text.split('\n')]
    text = _BAR.sub('', '\n'.join(lines))
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return '\n'.join(_without_cut(line, places) for line in text.split('\n'))


def _without_cut(line: str, places: dict[str, str]) -> str:
    """A line without the beginning of a place whose end was cut off."""
    for place in places:
        for length in range(len(place) - 1, _LEAST_CUT - 1, -1):
            if line.endswith(place[:length]):
                return line[:-length] + '…'
    return line


def small_picture(png: bytes) -> tuple[str, bytes]:
    """A picture of at most :data:`MOST_PICTURE_BYTES`.

    Returns:
        Its media type and its bytes: as it was, if that is small, else JPEG.

    Raises:
        DataError: It is too large for that, too.
    """
    if len(png) <= MOST_PICTURE_BYTES:
        return 'image/png', png
    picture = open_image(png, 'a picture').convert('RGBA')
    paper = Image.new('RGBA', picture.size, 'white')
    flat = Image.alpha_composite(paper, picture).convert('RGB')
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        flat.save(buffer, 'JPEG', quality=quality, optimize=True)
        if buffer.tell() <= MOST_PICTURE_BYTES:
            return 'image/jpeg', buffer.getvalue()
    raise DataError(
        f'a picture of {picture.width}x{picture.height} pixels does not fit '
        f'into {MOST_PICTURE_BYTES} bytes; draw it smaller'
    )


def clean_outputs(
    outputs: list[dict[str, Any]], places: dict[str, str]
) -> list[dict[str, Any]]:
    """Outputs of a cell as the notebook keeps them.

    Args:
        outputs: Those of the kernel, of ``nbformat``.
        places: As of :func:`clean_text`.
    """
    kept: list[dict[str, Any]] = []
    for output in outputs:
        output = dict(output)
        if output['output_type'] == 'stream':
            if kept and kept[-1].get('name') == output['name']:
                kept[-1]['text'] += output['text']
                continue
        elif output['output_type'] in ('display_data', 'execute_result'):
            output['data'] = _small_data(output['data'], places)
            output['metadata'] = {}
        kept.append(output)
    for output in kept:
        if 'text' in output:
            output['text'] = clean_text(output['text'], places)
    return [output for output in kept if output.get('text') != '']


def _small_data(data: dict, places: dict[str, str]) -> dict[str, Any]:
    found = {
        kind: clean_text(value, places)
        for kind, value in data.items()
        if kind.startswith('text/')
    }
    if 'image/png' in data:
        kind, content = small_picture(base64.b64decode(data['image/png']))
        found[kind] = base64.b64encode(content).decode()
    return found


def environment_of(folder: Path) -> dict[str, str]:
    """Variables under which a notebook runs: this mmuda, text for a page.

    Writes the command ``mmuda`` below the folder, as another one may be
    installed.
    """
    command = folder / 'bin' / 'mmuda'
    command.parent.mkdir()
    call = 'import sys; from mmuda_cli import main; sys.exit(main())'
    words = shlex.join([sys.executable, '-c', call])
    atomic_write(command, f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {
        'PATH': f'{command.parent}{os.pathsep}{os.environ["PATH"]}',
        'PYTHONPATH': os.pathsep.join(paths),
        'COLUMNS': '100',
        'NO_COLOR': '1',
        'TERM': 'dumb',
    }


def run_notebook(notebook: dict[str, Any]) -> dict[str, Any]:
    """Run all cells in a new folder.

    Args:
        notebook: As of :func:`notebook_of`.

    Returns:
        The same with outputs, which name no folder of this machine.

    Raises:
        ConfigError: What runs notebooks is not installed.
        DataError: A cell has failed; the message ends with its output.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise ConfigError(
            f'{error}; pip install -r requirements/tutorials.txt'
        ) from None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        here = folder / 'tutorial'
        here.mkdir()
        client = NotebookClient(
            nbformat.reads(json.dumps(notebook), as_version=4),
            timeout=CELL_SECONDS,
            kernel_name='python3',
            record_timing=False,
            startup_timeout=CELL_SECONDS,
            resources={'metadata': {'path': str(here)}},
        )
        try:
            ran = client.execute(env=os.environ | environment_of(folder))
        except CellExecutionError as error:
            raise DataError(f'a cell failed:\n{error}') from None
        clean = nbformat.from_dict(_cleaned(ran, here))
        return json.loads(nbformat.writes(clean))


def _cleaned(ran: dict[str, Any], folder: Path) -> dict[str, Any]:
    places = {
        f'{folder}/': '',
        str(folder): '.',
        str(ROOT): 'mmuda',
        sys.prefix: '.venv',
        str(Path.home()): '~',
    }
    cells = [dict(cell, metadata={}) for cell in ran['cells']]
    for cell in cells:
        if 'outputs' in cell:
            cell['outputs'] = clean_outputs(cell['outputs'], places)
    return dict(ran, cells=cells, metadata=_METADATA)


def out_of_step(sources: list[Path]) -> Iterator[str]:
    """Say which notebooks are missing or have other cells than a source."""
    for source in sources:
        wanted = notebook_of(cells_of(source.read_text()))
        file = source.with_suffix('.ipynb')
        if not file.exists():
            yield f'{file.name} is missing'
        elif source_of(json.loads(file.read_text())) != source_of(wanted):
            yield f'{file.name} has other cells than {source.name}'


def with_new_text(notebook: dict[str, Any], cells: list[Cell]) -> dict | None:
    """A notebook that has run, with the text of its source as it is now.

    Args:
        notebook: As it was written.
        cells: Of its source.

    Returns:
        None if code differs, which has to run again.
    """
    new = notebook_of(cells)
    ran = [c for c in notebook['cells'] if c['cell_type'] == 'code']
    code = [c for c in new['cells'] if c['cell_type'] == 'code']
    if [c['source'] for c in ran] != [c['source'] for c in code]:
        return None
    for cell, old in zip(code, ran, strict=True):
        cell |= {key: old[key] for key in ('execution_count', 'outputs')}
    return new


def made_of(source: Path, file: Path, again: bool) -> str:
    """Text of the notebook of a source.

    Args:
        source: The source.
        file: The notebook, if it has been made before.
        again: Run the code although it is that of the notebook.

    Raises:
        DataError: It becomes too large.
    """
    cells = cells_of(source.read_text())
    notebook = None
    if file.exists() and not again:
        notebook = with_new_text(json.loads(file.read_text()), cells)
    if notebook is None:
        notebook = run_notebook(notebook_of(cells))
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
    size = len(text.encode())
    if size >= MOST_NOTEBOOK_BYTES:
        raise DataError(
            f'{source.stem}: {size} bytes are more than '
            f'{MOST_NOTEBOOK_BYTES}; print and draw less'
        )
    return text + '\n'


def sources_of(names: list[str]) -> list[Path]:
    """Sources by name, all of them if none is named."""
    known = {path.stem: path for path in sorted(FOLDER.glob('*.py'))}
    for name in names:
        if name not in known:
            raise ConfigError(
                f'{name!r} is no tutorial; there are {", ".join(known)}'
            )
    return [known[name] for name in names or known]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'name',
        nargs='*',
        help='tutorials to run, such as first_adaptation (default: all)',
    )
    parser.add_argument(
        '--out',
        type=path_argument,
        default=FOLDER,
        metavar='DIR',
        help='where the notebooks are written (default: beside the sources)',
    )
    parser.add_argument(
        '--again',
        action='store_true',
        help='also run what has the same code as its notebook (by default '
        'that gets the new words, and keeps its outputs)',
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='run nothing, list the notebooks that are out of step',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Run and write, or list what is out of step."""
    sources = sources_of(args.name)
    if args.check:
        stale = [*out_of_step(sources)]
        print('\n'.join(stale) or 'all notebooks are in step')
        return bool(stale)
    require_writable_folder(args.out, '--out')
    for source in sources:
        file = args.out / f'{source.stem}.ipynb'
        atomic_write(file, made_of(source, file, args.again))
        print(f'{file.name}: {file.stat().st_size // 1000} kB')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
