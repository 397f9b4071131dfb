# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Domain discriminators."""

from .fc_discriminator import FCDiscriminator
from .multi_level_discriminator import MultiLevelDiscriminator

__all__ = ['FCDiscriminator', 'MultiLevelDiscriminator']
