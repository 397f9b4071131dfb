# Copyright (c) mmuda authors. Licensed under Apache-2.0.
import mmseg.models  # noqa: F401  # fills the parent registries

from mmuda.utils.players import unwrap

from .backbones import *  # noqa: F403
from .batch import Batch, DomainBatch, DomainDataPreprocessor
from .decode_heads import *  # noqa: F403
from .discriminators import *  # noqa: F403
from .losses import *  # noqa: F403
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
    'DomainDataPreprocessor',
    'TransparentDistributedDataParallel',
    'UDADistributedDataParallel',
    'unwrap',
]
