"""Configs in logs and checkpoints without a layout, which takes a second.

It is that of yapf. Tools in an interpreter of their own lay their configs out.
"""

import ast

from yapf.yapflib import yapf_api

lay_out = yapf_api.FormatCode


def leave_as_it_is():
    """Do not lay out configs, but refuse what is no Python, as yapf does."""
    yapf_api.FormatCode = _checked


def _checked(text, **style):
    ast.parse(text)
    return text, False
