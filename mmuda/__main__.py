# Copyright (c) mmuda authors.
"""``python -m mmuda``: the command ``mmuda``."""

import sys

from mmuda_cli import main

if __name__ == '__main__':
    sys.exit(main('python -m mmuda'))
