# Copyright (c) mmuda authors, Apache-2.0.
"""Colours of images, for all floors above."""
