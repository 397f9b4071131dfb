# Copyright (c) mmuda authors.
"""Notebooks as pages, as they were run: nothing is run anew."""

from collections.abc import Iterator
from pathlib import Path

from nbconvert import MarkdownExporter

from docs_site.repository_files import ROOT

FOLDER = 'tutorials'


def notebooks() -> list[Path]:
    """All notebooks of the documentation."""
    return sorted((ROOT / 'docs' / FOLDER).glob('*.ipynb'))


def notebook_pages() -> Iterator[tuple[str, str | bytes]]:
    """Path below the folder of pages, and content, of pages and pictures."""
    for notebook in notebooks():
        exporter = MarkdownExporter()
        # The pictures of several notebooks lie in one folder.
        names = {'unique_key': notebook.stem}
        text, found = exporter.from_filename(str(notebook), resources=names)
        yield f'{FOLDER}/{notebook.stem}.md', text
        for name, content in found['outputs'].items():
            yield f'{FOLDER}/{name}', content
