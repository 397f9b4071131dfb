"""The pages of the documentation, taken apart."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ('*.md', 'docs/**/*.md', 'configs/*/*.md')
    for path in ROOT.glob(pattern)
)
_BLOCK = re.compile(r'^( *)```(\w*)\n(.*?)^\1```$', re.M | re.S)
_FILE_NAME = re.compile(r'# (\S+\.py)\n')


def text_of(page):
    return (ROOT / page).read_text()


def blocks(page, language):
    """Code blocks of a page, without their indentation."""
    return [
        re.sub(f'^{indent}', '', code, flags=re.M)
        for indent, name, code in _BLOCK.findall(text_of(page))
        if name == language
    ]


def examples():
    """Files that the pages tell a reader to write, by path.

    The first line of such a block is the path as a comment.
    """
    return {
        name[1]: code
        for page in PAGES
        for code in blocks(page, 'python')
        if (name := _FILE_NAME.match(code))
    }
