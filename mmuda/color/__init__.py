# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Colours of images, for all floors above."""
