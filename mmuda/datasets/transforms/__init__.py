# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Steps of pipelines."""
