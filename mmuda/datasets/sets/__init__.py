# Copyright (c) mmuda authors, Apache-2.0.
"""Published data sets, and folders and lists of your own."""
