# Copyright (c) mmuda authors.
from mmuda.models.preprocessor import DomainDataPreprocessor

from .advent import AdvEnt
from .base import BaseUDA
from .ccl import CCL
from .coast import CoaST
from .cotraining import CoTraining
from .dacs import DACS
from .minent import MinEnt
from .mlcl import MLCL
from .mtkt import MTKT
from .multi_dis import MultiDis
from .multi_head_advent import MultiHeadAdvEnt
from .self_training import SelfTraining
from .source_only import SourceOnly

__all__ = [
    'CCL',
    'DACS',
    'MLCL',
    'MTKT',
    'AdvEnt',
    'BaseUDA',
    'CoTraining',
    'CoaST',
    'DomainDataPreprocessor',
    'MinEnt',
    'MultiDis',
    'MultiHeadAdvEnt',
    'SelfTraining',
    'SourceOnly',
]
