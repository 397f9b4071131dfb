# Copyright (c) mmuda authors, Apache-2.0.
"""Files of images and labels."""
