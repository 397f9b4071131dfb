# Copyright (c) mmuda authors, Apache-2.0.
"""``python -m mmuda``: the command ``mmuda``."""

import sys

from mmuda_cli import main

if __name__ == '__main__':
    sys.exit(main('python -m mmuda'))
