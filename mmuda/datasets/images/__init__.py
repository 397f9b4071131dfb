# Copyright (c) mmuda authors.
"""Files of images and labels."""
