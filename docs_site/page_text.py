# Copyright (c) mmuda authors.
"""What GitHub reads otherwise than MkDocs: links, lists and folded parts."""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from docs_site.repository_files import ROOT, site_path

_FENCE = re.compile(r'^( *)(```+|~~~+)')
_CODE = re.compile(r'(`+)(?!`).+?(?<!`)\1(?!`)', re.S)
_LINK = re.compile(r'(?<=\]\()([^)\s]+)')
_ATTRIBUTE = re.compile(r'(?<=\s)((?:src|srcset|href)=")([^"]+)(?=")')
_ELSEWHERE = re.compile(r'[a-z]+:|#')
# What a list of Python-Markdown is indented by; on GitHub two or three do.
_INDENT = 4


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a page, but none of its code.

    Args:
        text: Of the page.
        change: Gets what stands between fences and backticks.
    """
    return ''.join(
        part if code else _outside_backticks(part, change)
        for code, part in _parts(text)
    )


def _outside_backticks(text: str, change: Callable[[str], str]) -> str:
    found, end = [], 0
    for match in _CODE.finditer(text):
        found += [change(text[end : match.start()]), match[0]]
        end = match.end()
    return ''.join([*found, change(text[end:])])


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Whether it is in fences, and the lines."""
    lines: list[str] = []
    fence = ''
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if match and not fence:
            yield False, ''.join(lines)
            lines, fence = [line], match[2]
        elif match and line.strip() == fence:
            yield True, ''.join([*lines, line])
            lines, fence = [], ''
        else:
            lines.append(line)
    yield bool(fence), ''.join(lines)


def repository_target(page: str, link: str) -> str | None:
    """The file or folder of the repository that a link leads to.

    Args:
        page: Path in the repository of the page with the link.
        link: As written, without what follows ``#``.

    Returns:
        Path in the repository; None for what it has not.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return path if (ROOT / path).exists() else None


def targets(page: str, text: str) -> set[str]:
    """All files and folders of the repository that a page links to.

    Args:
        page: Its path in the repository.
        text: Of the page.
    """
    found = set()

    def look(part: str) -> str:
        for link in [*_LINK.findall(part), *_attributes(part)]:
            if not _ELSEWHERE.match(link):
                found.add(repository_target(page, link.partition('#')[0]))
        return part

    outside_code(text, look)
    return {path for path in found if path is not None}


def _attributes(text: str) -> list[str]:
    return [link for _, link in _ATTRIBUTE.findall(text)]


def with_links(page: str, own: str, text: str) -> str:
    """A page whose links lead to pages of the site.

    Args:
        page: Its path in the repository.
        own: Its path below the folder of pages.
        text: Of the page.

    Returns:
        Its text. Links to what the repository has not stay as they are,
        for MkDocs to warn of.
    """

    def moved(link: str) -> str:
        file, mark, anchor = link.partition('#')
        if _ELSEWHERE.match(link):
            return link
        path = repository_target(page, file)
        if path is None:
            return link
        start = posixpath.dirname(own) or '.'
        return posixpath.relpath(site_path(path), start) + mark + anchor

    def in_html(match: re.Match) -> str:
        # MkDocs leaves HTML alone, so that it has to name what is built.
        link = moved(match[2])
        path = PurePosixPath(link.partition('#')[0])
        if not _ELSEWHERE.match(link) and path.suffix == '.md':
            link = link.replace('.md', '.html', 1)
        return match[1] + link

    def change(part: str) -> str:
        part = _LINK.sub(lambda match: moved(match[1]), part)
        return _ATTRIBUTE.sub(in_html, part)

    return outside_code(text, change)


def with_wide_lists(text: str) -> str:
    """A page whose lists go on four columns further in.

    Args:
        text: With two or three, as GitHub reads them.
    """
    lines, fence, shift = [], '', 0
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        match = _FENCE.match(line)
        if not fence and line.strip():
            if indent == 0:
                shift = 0
            elif indent < _INDENT and not shift:
                shift = _INDENT - indent
        if match:
            fence = '' if line.strip() == fence else fence or match[2]
        lines.append(' ' * (shift if line.strip() else 0) + line)
    return '\n'.join(lines) + '\n'


def for_site(page: str, own: str, text: str) -> str:
    """All that is done to a page before MkDocs reads it.

    Args:
        page: Its path in the repository.
        own: Its path below the folder of pages.
        text: As written for GitHub.
    """
    text = text.replace('<details>', '<details markdown="1">')
    return with_wide_lists(with_links(page, own, text))
