# Copyright (c) mmuda authors.
import mmseg.evaluation  # fills the parent registries
import mmseg.visualization  # noqa: F401

from .confusion_matrix import ConfusionMatrixMetric
from .entropy_metric import EntropyMetric
from .label_free_metric import LabelFreeMetric
from .subset_iou_metric import DomainIoUMetric

__all__ = [
    'ConfusionMatrixMetric',
    'DomainIoUMetric',
    'EntropyMetric',
    'LabelFreeMetric',
]
