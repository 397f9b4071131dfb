# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Published data sets, and folders and lists of your own."""
