# Copyright (c) mmuda authors.
"""The trained networks that label."""

import copy
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.device import get_device
from torch import nn

from mmuda.evaluation.target_statistics import (
    TargetStatistics,
    measure_missing,
)
from mmuda.models.norm_statistics import statistics_options
from mmuda.models.trained import load_trained
from mmuda.registry import MODELS
from mmuda.utils.checksums import sha256_of
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.evaluation_config import ensemble_weights, use_checkpoints


def describe_checkpoints(
    checkpoints: Sequence[str], weights: Sequence[float] | None = None
) -> tuple[dict, ...]:
    """Name, SHA-256 and weight of each checkpoint, for the manifest.

    Args:
        checkpoints: One file, or those of an ensemble.
        weights: Weight of each; equal if None.

    Raises:
        CheckpointError: A file can't be read.
        ConfigError: As of ``ensemble_weights``.
    """
    weights = ensemble_weights(len(checkpoints), weights)
    return tuple(
        dict(file=file.name, sha256=sha256_of(file), weight=weight)
        for file, weight in zip(
            map(local_checkpoint, checkpoints), weights, strict=True
        )
    )


def load_model(
    cfg: Config,
    checkpoints: Sequence[str],
    weights: Sequence[float] | None = None,
    measures: bool = True,
) -> nn.Module:
    """Build the model of a config, or an ensemble, with trained weights.

    With ``norm_statistics='target'`` batch-norm statistics of the target are
    measured, in all processes, where a checkpoint does not hold them.

    Args:
        cfg: A training config; it is not changed.
        checkpoints: One file, or those of an ensemble.
        weights: Weight of each; equal if None.
        measures: Whether statistics of the target are measured; not where
            nothing is predicted.

    Returns:
        The model, with the classes that it was trained for in
        ``trained_classes``; None if the files do not tell.

    Raises:
        CheckpointError: A checkpoint does not cover the segmentor.
        ConfigError: Statistics of the target are to be measured, for which
            there are no images.
    """
    kind, options = statistics_options(cfg.model.get('norm_statistics'))
    cfg = copy.deepcopy(cfg)
    use_checkpoints(cfg, checkpoints, weights)
    model = MODELS.build(cfg.model)
    if cfg.load_from:
        model.trained_classes = load_trained(model, cfg.load_from)
    model = model.to(get_device())
    if measures and kind == 'target':
        measure_missing(model, TargetStatistics(**options), cfg)
    return model
