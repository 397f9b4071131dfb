# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How well scores that need no labels choose, where there are labels."""
