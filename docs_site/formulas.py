# Copyright (c) mmuda authors.
r"""Formulas as MathML, which browsers draw without a script.

They are written ``$...$`` and ``$$...$$``, as GitHub reads them, too.
"""

import html
import re

from latex2mathml.converter import convert

# As pymdownx.arithmatex leaves them.
_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S
)
# What the converter does not know, by what it does.
_REPLACED = {
    r'\\operatorname\*?\{arg\s*(?:\\,)?\s*(max|min)\}': r'\\arg\1',
    r'\\arg\s*\\(max|min)(?![a-z])': r'\\arg\1',
    r'\\operatorname\*': r'\\operatorname',
    r'\\begin\{(?:aligned|align|split)\*?\}': r'\\begin{array}{rl}',
    r'\\end\{(?:aligned|align|split)\*?\}': r'\\end{array}',
}
_FUNCTION = re.compile(
    r'(</(?:mi|mn|msub|msup|msubsup|mrow)>)?'
    r'(?<!<msub>)(?<!<msup>)(<mi>(?:log|ln|exp|tr|sin|cos|tanh)</mi>)(?=(<m\w+>)?)'
)
_SPACE = '<mspace width="0.167em" />'
# Left over of a command or of the columns of an environment.
_UNKNOWN = re.compile(r'\\[A-Za-z]+|>&<')


class FormulaError(ValueError):
    """A formula that can't be drawn."""


def as_mathml(formula: str, display: str) -> str:
    """A formula as MathML.

    Args:
        formula: In LaTeX.
        display: ``inline`` or ``block``.

    Raises:
        FormulaError: It is no LaTeX, or has an unknown command.
    """
    known = formula
    for old, new in _REPLACED.items():
        known = re.sub(old, new, known)
    try:
        text = convert(known, display=display)
    except Exception as error:  # its own have no base in common
        name = type(error).__name__
        raise FormulaError(f'{formula}: {name}: {error}') from error
    if unknown := _UNKNOWN.search(html.unescape(text)):
        raise FormulaError(f'{formula}: {unknown[0]} is not known')
    return _FUNCTION.sub(_spaced, text)


def _spaced(match: re.Match) -> str:
    """A function's name with space to what it multiplies and to its sign."""
    before = f'{match[1]}{_SPACE}' if match[1] else ''
    after = '' if match[3] in (None, '<mo>') else _SPACE
    return before + match[2] + after


def with_mathml(page: str) -> str:
    """A page with formulas that a browser draws.

    Args:
        page: HTML.

    Raises:
        FormulaError: One can't be drawn.
    """

    def draw(match: re.Match) -> str:
        display = 'block' if match[1] == 'div' else 'inline'
        drawn = as_mathml(html.unescape(match[2]).strip(), display)
        return f'<{match[1]} class="formula">{drawn}</{match[1]}>'

    return _FORMULA.sub(draw, page)
