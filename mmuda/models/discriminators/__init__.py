# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Domain discriminators."""

from .domain_discriminators import (
    CoaSTDiscriminator,
    FCDiscriminator,
    MultiLevelDiscriminator,
)

__all__ = ['CoaSTDiscriminator', 'FCDiscriminator', 'MultiLevelDiscriminator']
