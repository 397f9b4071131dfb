# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Domain discriminators."""

from .coast_discriminator import CoaSTDiscriminator
from .fc_discriminator import FCDiscriminator
from .multi_level_discriminator import MultiLevelDiscriminator

__all__ = ['CoaSTDiscriminator', 'FCDiscriminator', 'MultiLevelDiscriminator']
