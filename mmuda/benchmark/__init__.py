# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What training, evaluation and data loading cost beyond the bare network."""
