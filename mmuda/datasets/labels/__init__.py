# Copyright (c) mmuda authors.
"""Ids, classes and colours of labels, and checks of what labels hold."""
