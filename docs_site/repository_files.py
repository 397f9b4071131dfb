# Copyright (c) mmuda authors.
"""Which page of the site a file of the repository is."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
DOCS = 'docs/'
SOURCE = 'source/'
LANGUAGES = {
    '.py': 'python',
    '.sh': 'bash',
    '.yml': 'yaml',
    '.json': 'json',
    '.toml': 'toml',
}
_HEAD = '---\nsearch:\n  exclude: true\n---\n\n'
# Of files that are shown; larger ones are data.
_MOST_BYTES = 200_000


def written_pages() -> Iterator[str]:
    """Pages that lie outside ``docs/``, as paths in the repository."""
    for pattern in ('*.md', 'configs/*/README.md'):
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix()


def site_path(path: str) -> str:
    """Where the site has a file or folder of the repository.

    Args:
        path: In the repository, which has it.

    Returns:
        A path below the folder of pages. A folder is the page of its
        ``README.md``, if it has one. What is no page is shown by one below
        ``source/``.
    """
    if (ROOT / path / 'README.md').is_file() and path != '.':
        path = f'{path}/README.md'
    file = PurePosixPath(path)
    if path.startswith(DOCS) and file.suffix not in ('', '.py'):
        # A notebook becomes a page.
        own = file.with_suffix('.md') if file.suffix == '.ipynb' else file
        return str(own).removeprefix(DOCS)
    if path in ('README.md', '.'):
        return 'index.md'
    if file.name == 'README.md':
        return str(file.with_name('index.md'))
    if file.suffix == '.md':
        return path if len(file.parts) > 1 else path.lower()
    if (ROOT / path).is_dir():
        return f'{SOURCE}{path}/index.md'
    return f'{SOURCE}{path}.md'


def source_page(path: str) -> str:
    """A page that shows a file, or lists a folder.

    Args:
        path: In the repository, which has it.

    Returns:
        Markdown. The search of the site leaves it out.
    """
    file, title = ROOT / path, f'{_HEAD}# `{path}`\n\n'
    if file.is_dir():
        names = sorted(
            f'{child.name}{"/" * child.is_dir()}'
            for child in file.iterdir()
            if child.name[0] not in '._'
        )
        return title + ''.join(f'- `{name}`\n' for name in names)
    content = file.read_bytes()
    if len(content) > _MOST_BYTES:
        return f'{title}{len(content)} bytes of data.\n'
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return f'{title}{len(content)} bytes that are no text.\n'
    language = LANGUAGES.get(file.suffix, 'text')
    return f'{title}~~~~~~~~ {language}\n{text}\n~~~~~~~~\n'
