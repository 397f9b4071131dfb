# Copyright (c) mmuda authors.
"""Pseudo-labels on disk."""
