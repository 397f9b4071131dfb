# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What training, evaluation, labelling and loading cost beyond the network."""
