# Copyright (c) mmuda authors.
"""What training, evaluation, labelling and loading cost beyond the network."""
