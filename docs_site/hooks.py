# Copyright (c) mmuda authors.
"""What MkDocs calls on the way from the repository to the site."""

import logging
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# MkDocs runs this file by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from docs_site.api_pages import api_pages
from docs_site.formulas import FormulaError, with_mathml
from docs_site.navigation import expanded
from docs_site.notebook_pages import notebook_pages
from docs_site.page_text import for_site, targets
from docs_site.repository_files import (
    DOCS,
    ROOT,
    SOURCE,
    site_path,
    source_page,
    written_pages,
)

# By this the theme's script knows a link to the repository, and then asks the
# host of the repository for its stars.
_ASKS_HOST = ' data-md-component="source"'
LOG = logging.getLogger('mkdocs.plugins.docs_site')
# Where pages that lie outside docs/ are written, by where the site has them.
_written: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and place all in the navigation."""
    for name, content in [*api_pages(), *notebook_pages()]:
        files.append(File.generated(config, name, content=content))
    for path in written_pages():
        _add(files, config, path)
    # What a page links to may link to more.
    new = [*files.documentation_pages()]
    while new:
        file = new.pop()
        for path in targets(_repository_path(file), file.content_string):
            new += _add(files, config, path)
    pages = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = expanded(config.nav, pages)
    return files


def _add(files: Files, config: MkDocsConfig, path: str) -> list[File]:
    """Add what lies outside ``docs/``; pages that are new."""
    name, page = site_path(path), ROOT / path
    # docs/ is read by MkDocs, or made into pages above.
    if files.get_file_from_path(name) is not None:
        return []
    if page.is_dir() and not name.startswith(SOURCE):
        page /= 'README.md'
    if name.startswith(SOURCE):
        files.append(File.generated(config, name, content=source_page(path)))
        return []
    _written[name] = page.relative_to(ROOT).as_posix()
    file = File.generated(config, name, content=page.read_text())
    files.append(file)
    return [file]


def _repository_path(file: File) -> str:
    """Where the text of a page lies in the repository."""
    return _written.get(file.src_uri, DOCS + file.src_uri)


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Make text for GitHub one for MkDocs."""
    if page.file.src_uri.startswith((SOURCE, 'api/')):
        return markdown
    return for_site(_repository_path(page.file), page.file.src_uri, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Leave to the link to the repository nothing but the link."""
    return output.replace(_ASKS_HOST, '')


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for pages that have no Markdown."""
    return output_content.replace(_ASKS_HOST, '')


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Draw formulas."""
    try:
        return with_mathml(html)
    except FormulaError as error:
        LOG.warning('%s: formula %s', page.file.src_uri, error)
        return html
