# Copyright (c) mmuda authors, Apache-2.0.
"""Ids, classes and colours of labels, and checks of what labels hold."""
