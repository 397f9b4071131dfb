# Copyright (c) mmuda authors.
"""Version of mmuda."""

__version__ = '0.2.0'
