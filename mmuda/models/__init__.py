# Copyright (c) mmuda authors.
import mmseg.models  # noqa: F401  # fills the parent registries

from .backbones import *  # noqa: F403
from .batch import Batch, DomainBatch
from .decode_heads import *  # noqa: F403
from .discriminators import *  # noqa: F403
from .losses import *  # noqa: F403
from .players import unwrap
from .pretrained import CoveringPretrainedInit
from .segmentors import *  # noqa: F403
from .terms import *  # noqa: F403
from .uda import *  # noqa: F403
from .wrappers import (
    TransparentDistributedDataParallel,
    UDADistributedDataParallel,
)

__all__ = [
    'Batch',
    'CoveringPretrainedInit',
    'DomainBatch',
    'TransparentDistributedDataParallel',
    'UDADistributedDataParallel',
    'unwrap',
]
