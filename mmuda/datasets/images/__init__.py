# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Files of images and labels."""
