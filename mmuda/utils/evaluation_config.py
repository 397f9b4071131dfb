# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Adapting a config to what a test run is asked for."""

import copy
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmuda.registry import METRICS
from mmuda.utils.config_keys import init_parameters
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import require_writable_folder


def use_checkpoints(
    cfg: Config,
    checkpoints: Sequence[str],
    weights: Sequence[float] | None = None,
) -> None:
    """Test one model, or the weighted sum of several, in place.

    Args:
        cfg: A config of a single model.
        checkpoints: One checkpoint, or one for each member of an ensemble.
        weights: Weight of each member; equal if None.

    Raises:
        ConfigError: If there are not as many weights as checkpoints.
    """
    if weights is not None and len(weights) != len(checkpoints):
        raise ConfigError(
            f'{len(checkpoints)} checkpoints need as many weights, got '
            f'{len(weights)}'
        )
    if len(checkpoints) == 1:
        cfg.load_from = checkpoints[0]
        return
    cfg.load_from = None
    cfg.model = dict(
        type='SegmentorEnsemble',
        models=[copy.deepcopy(cfg.model) for _ in checkpoints],
        checkpoints=list(checkpoints),
        weights=None if weights is None else list(weights),
        data_preprocessor=cfg.model.get('data_preprocessor'),
    )


def use_test_time_augmentation(cfg: Config) -> None:
    """Average over the augmentations of ``tta_pipeline``, in place.

    Raises:
        ConfigError: If the config does not define them.
    """
    for key in ('tta_model', 'tta_pipeline'):
        if key not in cfg:
            raise ConfigError(f'--tta: the config has no {key}')
    for loader in _as_list(cfg.test_dataloader):
        loader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(cfg.tta_model, module=cfg.model)


def save_predictions(cfg: Config, folder: str | os.PathLike) -> None:
    """Write predictions as images of train ids, in place.

    Args:
        cfg: A config with ``test_evaluator``.
        folder: Where the images go; into a subfolder for each data set where
            several are tested.

    Raises:
        ConfigError: If no metric of a data set can write predictions, or the
            folder is not writable.
    """
    require_writable_folder(folder, '--out')
    if not isinstance(cfg.test_dataloader, list):
        _set_output_dir(_as_list(cfg.test_evaluator), Path(folder))
        return
    for index, evaluator in enumerate(cfg.test_evaluator):
        metrics = _as_list(evaluator)
        name = metrics[0].get('prefix') or f'dataset_{index}'
        _set_output_dir(metrics, Path(folder, name))


def draw_predictions(
    cfg: Config,
    folder: str | os.PathLike | None = None,
    show: bool = False,
    wait_time: float = 0.0,
) -> None:
    """Draw the predictions over the images, in place.

    Args:
        cfg: A test config.
        folder: Where to write the drawings; None writes none.
        show: Open a window for each image; nothing is written then.
        wait_time: Seconds each window stays; 0 waits for a key.

    Raises:
        ConfigError: If the folder is not writable.
    """
    # Assigned first: a config copies what it is given.
    if 'visualizer' not in cfg:
        cfg.visualizer = dict(
            type='SegLocalVisualizer',
            name='visualizer',
            vis_backends=[dict(type='LocalVisBackend')],
        )
    hook = dict(type='SegVisualizationHook')
    hook.update(cfg.get('default_hooks', {}).get('visualization', {}))
    hook.update(draw=True, show=show, wait_time=wait_time)
    cfg.merge_from_dict({'default_hooks.visualization': hook})
    if folder is not None:
        require_writable_folder(folder, '--show-dir')
        cfg.visualizer.save_dir = str(folder)


def _set_output_dir(metrics: list[dict], folder: Path) -> None:
    for metric in metrics:
        kind = METRICS.get(metric['type']) or object
        if 'output_dir' in init_parameters(kind):
            metric['output_dir'] = str(folder)
            return
    kinds = ', '.join(metric['type'] for metric in metrics)
    raise ConfigError(
        f'test_evaluator: none of {kinds} writes predictions; add an IoUMetric'
    )


def _as_list(value: dict | list[dict]) -> list[dict]:
    """Unpack what mmengine takes as one, as a list or as an evaluator."""
    if isinstance(value, list):
        return value
    return _as_list(value['metrics']) if 'metrics' in value else [value]
