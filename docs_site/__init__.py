# Copyright (c) mmuda authors.
"""What makes the site of the documentation: ``make docs``.

Pages are written for GitHub. On the way to the site their links, lists and
formulas become those of MkDocs (``hooks.py``), files of the repository that
they link to become pages of the site, and so do docstrings and notebooks.
Own code rather than plugins, because no plugin we know makes pages of what is
linked outside ``docs/``; the rest is a few lines beside that.
"""
