# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Decode heads."""

from .dlv2_head import DLV2Head

__all__ = ['DLV2Head']
