# Copyright (c) mmuda authors.
import mmseg.engine  # noqa: F401  # fills the parent registries

from .loops import UDATrainLoop
from .mixed_optim_wrapper import MixedPrecisionOptimWrapper
from .multi_target_loops import MultiTargetTestLoop, MultiTargetValLoop
from .optim_constructor import (
    MultiOptimWrapperConstructor,
    PlayerOptimWrapperDict,
)
from .runner import UDARunner
from .unlabelled import predict_without_labels, skip_validation_without_labels
from .visualizers import LegendVisualizer, WholeFilesVisBackend

__all__ = [
    'LegendVisualizer',
    'MixedPrecisionOptimWrapper',
    'MultiOptimWrapperConstructor',
    'MultiTargetTestLoop',
    'MultiTargetValLoop',
    'PlayerOptimWrapperDict',
    'UDARunner',
    'UDATrainLoop',
    'WholeFilesVisBackend',
    'predict_without_labels',
    'skip_validation_without_labels',
]
