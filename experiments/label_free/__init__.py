# Copyright (c) mmuda authors.
"""How well scores that need no labels choose, where there are labels."""
