# Copyright (c) mmuda authors.
"""Images of a source in the colours of a target, made beforehand."""
