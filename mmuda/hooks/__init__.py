# Copyright (c) mmuda authors.
import mmseg.engine  # noqa: F401  # fills the parent registries

from .checkpoint_hook import UDACheckpointHook
from .collaborative_consistency_hook import CollaborativeConsistencyHook
from .data_check_hook import DataCheckHook
from .domain_visualization_hook import DomainVisualizationHook
from .graceful_stop_hook import GracefulStopHook
from .iteration_seed_hook import IterationSeedHook
from .lean_prediction_hook import LeanPredictionHook
from .logger_hook import LoggerHook
from .mean_teacher_hook import MeanTeacherHook
from .mixed_precision_hook import MixedPrecisionHook
from .norm_statistics_hook import NormStatisticsSyncHook, average_norm_buffers
from .prediction_files_hook import (
    PredictionDrawingHook,
    PredictionExportHook,
    PredictionFilesHook,
)
from .progress_bar_hook import ProgressBarHook
from .pseudo_label_refresh_hook import PseudoLabelRefreshHook
from .run_report_hook import RunReportHook
from .run_summary_hook import RunSummaryHook
from .target_statistics_hook import TargetNormStatisticsHook
from .training_curve_hook import TrainingCurveHook

__all__ = [
    'CollaborativeConsistencyHook',
    'DataCheckHook',
    'DomainVisualizationHook',
    'GracefulStopHook',
    'IterationSeedHook',
    'LeanPredictionHook',
    'LoggerHook',
    'MeanTeacherHook',
    'MixedPrecisionHook',
    'NormStatisticsSyncHook',
    'PredictionDrawingHook',
    'PredictionExportHook',
    'PredictionFilesHook',
    'ProgressBarHook',
    'PseudoLabelRefreshHook',
    'RunReportHook',
    'RunSummaryHook',
    'TargetNormStatisticsHook',
    'TrainingCurveHook',
    'UDACheckpointHook',
    'average_norm_buffers',
]
