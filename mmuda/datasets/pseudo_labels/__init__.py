# Copyright (c) mmuda authors, Apache-2.0.
"""Pseudo-labels on disk."""
