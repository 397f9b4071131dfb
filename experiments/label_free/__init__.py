# Copyright (c) mmuda authors, Apache-2.0.
"""How well scores that need no labels choose, where there are labels."""
