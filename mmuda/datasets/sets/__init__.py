# Copyright (c) mmuda authors.
"""Published data sets, and folders and lists of your own."""
