# Copyright (c) mmuda authors.
"""Colours of images, for all floors above."""
