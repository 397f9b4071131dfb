# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pseudo-labels of the demo's self-trained methods."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from mmuda.procedures.self_training_rounds import SelfTrainingOptions
from mmuda.pseudo_labels.checkpoints import describe_checkpoints, load_model
from mmuda.pseudo_labels.labelling_jobs import LabellingJob
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
from mmuda.pseudo_labels.labelling_report import ProgressLines
from mmuda.utils.config_data import (
    set_pseudo_label_root,
)


def use_pseudo_labels(cfg: Config, results: Mapping[str, Mapping]) -> None:
    """Label the target with the method that a config builds on, in place.

    Does nothing for a config without ``self_training``. Labels that an
    earlier run made with the same weights are used again.

    Args:
        cfg: Config of a method; its pseudo-labels go to its work directory.
        results: Earlier results, by the stem of the method's config.
    """
    if 'self_training' not in cfg:
        return
    initial = Path(SelfTrainingOptions.from_config(cfg).initial).stem
    checkpoint = results[initial]['checkpoint']
    options = PseudoLabelOptions.from_config(cfg)
    job = LabellingJob(
        options,
        dataset_to_label(cfg, options.pipeline),
        Path(cfg.work_dir) / 'pseudo_labels',
        about=dict(
            config=Path(cfg.filename).name,
            checkpoints=describe_checkpoints([checkpoint]),
            domain='target',
        ),
        report=ProgressLines(),
    )
    manifest = job.finished()
    if manifest is None or job.differences(manifest):
        job.run(load_model(cfg, [checkpoint]))
    set_pseudo_label_root(cfg, job.root)
