# Copyright (c) mmuda authors. Licensed under Apache-2.0.
from .advent import AdvEnt
from .base import BaseUDA
from .minent import MinEnt
from .mtkt import MTKT
from .multi_dis import MultiDis
from .self_training import SelfTraining
from .source_only import SourceOnly

__all__ = [
    'MTKT',
    'AdvEnt',
    'BaseUDA',
    'MinEnt',
    'MultiDis',
    'SelfTraining',
    'SourceOnly',
]
