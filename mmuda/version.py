# Copyright (c) mmuda authors, Apache-2.0.
"""Version of mmuda."""

__version__ = '0.2.0'
