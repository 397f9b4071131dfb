# Copyright (c) mmuda authors, Apache-2.0.
"""Steps of pipelines."""
