# Copyright (c) mmuda authors.
"""Steps of pipelines."""
