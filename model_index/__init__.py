# Copyright (c) mmuda authors.
"""Metafiles and tables, made of the file of published numbers."""

from model_index.entries import NUMBERS, read_entries, read_published
from model_index.faults import find_faults
from model_index.metafile import metafile
from model_index.model_zoo import with_zoo
from model_index.tables import HEADLINES, with_tables

__all__ = [
    'HEADLINES',
    'NUMBERS',
    'find_faults',
    'metafile',
    'read_entries',
    'read_published',
    'with_tables',
    'with_zoo',
]
