# Copyright (c) mmuda authors.
"""Whether a site that is built is whole, and needs no network.

``python docs_site/site_check.py build/site`` prints what is wrong. MkDocs
looks at the links of Markdown alone, not at those of HTML or of its theme.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_ELSEWHERE = re.compile(r'(?:[a-z]+:)?//', re.I)
_SCHEME = re.compile(r'[a-z]+:', re.I)
# What a browser fetches without being asked.
_LOADED = {'script': 'src', 'img': 'src', 'iframe': 'src', 'link': 'href'}
# These of the links in a head are read by search engines alone.
_UNLOADED = {'canonical', 'next', 'prev', 'edit'}
_CSS = re.compile(r'(?:url\(|@import )[\'"]?((?:https?:)?//[^\'")]+)')
# What the script of the theme takes as a wish to be told of the repository.
_ASKING = 'data-md-component="source"'
_UNDRAWN = 'class="arithmatex"'


class _Page(HTMLParser):
    """Links, anchors and what is loaded.

    Attributes:
        links: What a reader can follow.
        loaded: What the browser fetches.
        anchors: Where links into the page may lead.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        """Take down what a tag names."""
        named = {key: value or '' for key, value in attrs}
        self.anchors |= {named[key] for key in ('id', 'name') if key in named}
        if tag == 'a' and 'href' in named:
            self.links.add(named['href'])
        loads = tag in _LOADED and named.get('rel') not in _UNLOADED
        if loads and _LOADED[tag] in named:
            self.loaded.add(named[_LOADED[tag]])


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a site.

    Args:
        site: Its folder.

    Yields:
        A line for each fault.
    """
    texts = {path: path.read_text() for path in sorted(site.rglob('*.html'))}
    for path, text in texts.items():
        if _ASKING in text:
            yield f'{path.relative_to(site)}: asks the host of the repository'
    # Its links begin where the server does.
    texts.pop(site / '404.html', None)
    if not texts:
        yield f'{site}: has no page'
    pages = {path: _Page(text) for path, text in texts.items()}
    for path, page in pages.items():
        where = path.relative_to(site)
        if _UNDRAWN in texts[path]:
            yield f'{where}: has a formula that is not drawn'
        for link in sorted(page.loaded | page.links):
            fault = _fault(path, link, pages, link in page.loaded)
            if fault:
                yield f'{where}: {link} {fault}'
    for path in sorted(site.rglob('*.css')):
        for link in sorted({*_CSS.findall(path.read_text())}):
            yield f'{path.relative_to(site)}: {link} is fetched from elsewhere'


def _fault(
    path: Path, link: str, pages: dict[Path, _Page], loaded: bool
) -> str:
    """What is wrong with a link of a page, if anything."""
    if _ELSEWHERE.match(link):
        return 'is fetched from elsewhere' if loaded else ''
    if _SCHEME.match(link):
        return ''
    name, _, anchor = unquote(link).partition('#')
    target = (path.parent / name.partition('?')[0]).resolve() if name else path
    if target.is_dir():
        target /= 'index.html'
    if not target.is_file():
        return 'leads nowhere'
    if anchor and target in pages and anchor not in pages[target].anchors:
        return 'leads to no place of its page'
    return ''


if __name__ == '__main__':
    found = [*faults(Path(sys.argv[1]).resolve())]
    print('\n'.join(found) or 'The site is whole.')
    sys.exit(1 if found else 0)
