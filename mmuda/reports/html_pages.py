# Copyright (c) mmuda authors.
"""Pages that are one file: no script, and nothing from outside.

Functions whose names end in ``_html`` give markup; all other text that goes
into a page has to be escaped, which these functions do with what they get.
"""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from PIL import Image

# Wide tables and rows of pictures are scrolled in their own boxes, so that a
# page is never wider than the screen.
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24;
  max-width: 76rem; margin: 0 auto; padding: 0 .75rem 3rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem;
  border-bottom: 1px solid #d0d7de; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.box { overflow-x: auto; }
.grid { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
.tiles figure { flex: 0 1 20rem; min-width: min(100%, 11rem); }
figure { margin: 0; }
figcaption, .file { margin: 0; font-size: .85rem; color: #57606a; }
img { max-width: 100%; height: auto; display: block; }
.wide img { max-width: none; width: max(100%, 42rem); }
table { border-collapse: collapse; font-size: .85rem;
  overflow-wrap: normal; }
th, td { padding: .15rem .6rem .15rem 0; text-align: left;
  border-bottom: 1px solid #eaeef2; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
.keys { list-style: none; margin: 0; padding: 0; font-size: .8rem;
  display: flex; flex-wrap: wrap; gap: 0 .8rem; }
.keys i { display: inline-block; width: .9em; height: .9em;
  margin-right: .3em; vertical-align: -.1em; border: 1px solid #8888; }
.note { background: #fff8c5; padding: .5rem .75rem; border-radius: .4rem; }
.bad { background: #ffebe9; padding: .5rem .75rem; border-radius: .4rem; }
.good { background: #dafbe1; padding: .5rem .75rem; border-radius: .4rem; }
summary { cursor: pointer; }
"""
_QUALITY = 85
_NUMBER = re.compile(r'[+-]?\d[\d.,]*|–|nan')


def page_html(title: str, parts: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Plain text.
        parts: Markup.
    """
    body = '\n'.join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src '
        "'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f'<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n'
        f'<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n'
    )


def section_html(title: str, *parts: str) -> str:
    """A part of a page under a heading.

    Args:
        title: Plain text.
        *parts: Markup; with nothing in it there is no section.
    """
    body = '\n'.join(filter(None, parts))
    return f'<h2>{escape(title)}</h2>\n{body}' if body else ''


def note_html(text: str, kind: str = 'note') -> str:
    """A paragraph that is set off.

    Args:
        text: Plain text.
        kind: ``note``, ``good`` or ``bad``.
    """
    return f'<p class="{kind}">{escape(text)}</p>'


def table_html(
    rows: Iterable[Sequence[str]], heading: Sequence[str] = ()
) -> str:
    """A table; below a heading numbers are aligned.

    Args:
        rows: Plain texts.
        heading: Of the columns; none without.
    """
    lines = []
    if heading:
        lines.append(_row_html(heading, 'th', [False] * len(heading)))
    for row in rows:
        numeric = [bool(heading and _NUMBER.fullmatch(x)) for x in row]
        lines.append(_row_html(row, 'td', numeric))
    body = '\n'.join(lines)
    return f'<div class="box"><table>\n{body}\n</table></div>' if body else ''


def _row_html(cells: Sequence[str], tag: str, numeric: list[bool]) -> str:
    kinds = [' class="number"' if number else '' for number in numeric]
    parts = (
        f'<{tag}{kind}>{escape(cell)}</{tag}>'
        for cell, kind in zip(cells, kinds, strict=True)
    )
    return f'<tr>{"".join(parts)}</tr>'


def figure_html(source: str, caption: str, alternative: str = '') -> str:
    """A picture below a caption.

    Args:
        source: A ``data:`` address, see :func:`picture_address`.
        caption: Plain text.
        alternative: Plain text for those who do not see it.
    """
    text = escape(alternative or caption)
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption>'
        f'<img src="{escape(source)}" alt="{text}"></figure>'
    )


def keys_html(names: Sequence[str], colours: Sequence[str]) -> str:
    """A legend below a picture, which wraps on narrow screens.

    Args:
        names: Plain texts.
        colours: Such as ``#ff0000``.
    """
    entries = (
        f'<li><i style="background:{escape(colour)}"></i>{escape(name)}</li>'
        for name, colour in zip(names, colours, strict=True)
    )
    return f'<ul class="keys">{"".join(entries)}</ul>'


def palette_html(
    classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> str:
    """The legend of label pictures.

    Args:
        classes: Names of the K classes.
        palette: (K, 3) RGB colours.
    """
    colours = ['#{:02x}{:02x}{:02x}'.format(*colour) for colour in palette]
    return keys_html(
        [*classes, 'no label'], [*colours[: len(classes)], '#000000']
    )


def details_html(title: str, content: str, is_open: bool = False) -> str:
    """Something that can be folded up.

    Args:
        title: Plain text.
        content: Markup.
        is_open: Whether it is shown until somebody folds it up.
    """
    start = '<details open>' if is_open else '<details>'
    summary = f'<summary>{escape(title)}</summary>'
    return f'{start}{summary}\n{content}\n</details>'


def picture_address(picture: np.ndarray, few_colours: bool = False) -> str:
    """A picture as the address of itself.

    Args:
        picture: (H, W, 3) RGB, uint8.
        few_colours: Keep it exactly, as PNG, such as labels; photographs are
            JPEG.
    """
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    if few_colours:
        image.save(buffer, format='PNG', optimize=True)
        return data_address(buffer.getvalue(), 'image/png')
    image.save(buffer, format='JPEG', quality=_QUALITY)
    return data_address(buffer.getvalue(), 'image/jpeg')


def data_address(content: bytes, kind: str) -> str:
    """Content as the address of itself.

    Args:
        content: Of a file.
        kind: MIME type.
    """
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
