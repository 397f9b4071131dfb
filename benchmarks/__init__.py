# Copyright (c) mmuda authors, Apache-2.0.
"""What training, evaluation, labelling and loading cost beyond the network."""
