# Copyright (c) mmuda authors, Apache-2.0.
"""Images of a source in the colours of a target, made beforehand."""
