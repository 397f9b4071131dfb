# Copyright (c) mmuda authors.
"""Trained networks as files that run without mmuda."""

from .exporting import (
    Exported,
    ExportOptions,
    export_segmentor,
    metadata_of,
)
from .graph_files import FORMATS, GraphFormat, format_of
from .image_segmentor import OUTPUTS, ImageSegmentor
from .trained_segmentor import TrainedSegmentor, load_segmentor

__all__ = [
    'FORMATS',
    'OUTPUTS',
    'ExportOptions',
    'Exported',
    'GraphFormat',
    'ImageSegmentor',
    'TrainedSegmentor',
    'export_segmentor',
    'format_of',
    'load_segmentor',
    'metadata_of',
]
