# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What a config leaves to be taken from its other parts."""

from collections.abc import Mapping, Sequence
from functools import wraps
from typing import Any

from mmengine.config import Config

LABEL_LOADERS = ('LoadLabels', 'LoadAnnotations')


def complete(cfg: Config) -> Config:
    """Fill in what follows from other parts of a config, in place.

    ``test_pipeline`` is what ``mmseg.apis.inference_model`` shows an image
    through: that of the (first) test set, without its labels.

    Args:
        cfg: A whole config; others than those of mmuda are left as they are.
    """
    if cfg.get('default_scope') != 'mmuda':
        return cfg
    pipeline = _first_pipeline(cfg.get('test_dataloader'))
    if pipeline is not None:
        cfg.test_pipeline = [
            step for step in pipeline if step['type'] not in LABEL_LOADERS
        ]
    return cfg


def _first_pipeline(part: Any) -> Sequence[Mapping] | None:
    """That of the first data set; None where there is none, or a wrong one."""
    if isinstance(part, list | tuple) and part:
        return _first_pipeline(part[0])
    if not isinstance(part, Mapping):
        return None
    for key in ('dataset', 'datasets'):
        if key in part:
            return _first_pipeline(part[key])
    steps = part.get('pipeline')
    if not isinstance(steps, list | tuple):
        return None
    named = all(isinstance(step, Mapping) and 'type' in step for step in steps)
    return steps if named else None


def complete_files() -> None:
    """Let ``Config.fromfile`` of mmengine give complete configs of mmuda."""
    read = Config.fromfile
    if hasattr(read, '__wrapped__'):
        return

    @wraps(read)
    def fromfile(*args, **kwargs) -> Config:
        return complete(read(*args, **kwargs))

    Config.fromfile = staticmethod(fromfile)
