# Copyright (c) mmuda authors.
"""Training and predicting where there are no labels to evaluate with."""

import copy
from collections.abc import Sequence

from mmengine.config import Config

from mmuda.datasets.sets.missing_labels import labels_elsewhere, missing_labels
from mmuda.registry import METRICS
from mmuda.utils.config_data import dataset_leaves, without_label_loaders
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.tool_commands import tool_command

_VALIDATION = ('val_dataloader', 'val_cfg', 'val_evaluator')


def skip_validation_without_labels(cfg: Config) -> list[str]:
    """Switch validation off where there is nothing to validate with, in place.

    That is if one of ``val_dataloader``, ``val_cfg`` and ``val_evaluator`` is
    None, or no label of the validation images is there and a metric needs
    them. Where none does, labels that are missing are not loaded.

    Args:
        cfg: A training config.

    Returns:
        What to tell the user; empty if there is a validation.

    Raises:
        ConfigError: The best checkpoint is to be chosen by validation.
        DataError: The images are missing, too, or the labels seem to be
            elsewhere.
    """
    reason = _reason_not_to_validate(cfg)
    if not reason:
        _load_no_missing_labels(cfg)
        return []
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if checkpoint.get('save_best'):
        raise ConfigError(
            f"default_hooks.checkpoint.save_best='{checkpoint['save_best']}' "
            f'needs a validation, but {reason}; remove save_best'
        )
    for key in _VALIDATION:
        cfg[key] = None
    return [
        f'Nothing is evaluated during training: {reason}',
        'Checkpoints are saved as ever. Predictions need no labels: '
        f'{tool_command("test.py", "CONFIG", "CHECKPOINT", "--out", "DIR")}',
    ]


def _load_no_missing_labels(cfg: Config) -> None:
    """Take the loading of labels out of a validation that has none."""
    loader, metrics = cfg.get('val_dataloader'), cfg.get('val_evaluator')
    if isinstance(loader, dict) and metrics and _needs_no_labels(metrics):
        try:
            reason = missing_labels(loader['dataset'])
        except DataError:
            # The data set itself tells it best.
            return
        if reason:
            cfg.val_dataloader, _ = predicting_only(loader, None)


def _reason_not_to_validate(cfg: Config) -> str:
    unset = [key for key in _VALIDATION if not cfg.get(key, None)]
    # An empty val_cfg is mmengine's plain loop.
    if cfg.get('val_cfg', None) is not None:
        unset = [key for key in unset if key != 'val_cfg']
    if len(unset) == len(_VALIDATION) and not any(k in cfg for k in unset):
        return 'the config has no val_dataloader'
    if unset:
        return f'the config sets no {" and no ".join(unset)}'
    loaders = cfg.val_dataloader
    several = isinstance(loaders, list | tuple)
    datasets = [part.dataset for part in (loaders if several else [loaders])]
    try:
        reasons = [missing_labels(dataset) for dataset in datasets]
    except DataError as error:
        if several:
            # The loop tells which target it is.
            return ''
        raise DataError(
            f'val_dataloader: {error}; or train without an evaluation, '
            'val_dataloader=None'
        ) from error
    if not all(reasons) or _needs_no_labels(cfg.val_evaluator):
        return ''
    for dataset in datasets:
        if hint := labels_elsewhere(dataset):
            raise DataError(
                f'val_dataloader: {missing_labels(dataset)}{hint}; to train '
                'without an evaluation set val_dataloader=None'
            )
    return ' and '.join(dict.fromkeys(filter(None, reasons)))


def predict_without_labels(cfg: Config, writes: bool) -> list[str]:
    """Predict test images that have no labels, without metrics, in place.

    Args:
        cfg: A test config.
        writes: Whether predictions are written or shown.

    Returns:
        What to tell the user; empty if there are labels.

    Raises:
        ConfigError: There would be nothing to do.
        DataError: The images are missing, too.
    """
    loaders = cfg.test_dataloader
    if isinstance(loaders, list | tuple):
        loop = cfg.get('test_cfg') or {}
        if writes and loop.get('type') == 'MultiTargetTestLoop':
            loop['predict_unlabelled'] = True
        return []
    reason = missing_labels(loaders.dataset)
    if reason is None:
        return []
    hint = labels_elsewhere(loaders.dataset)
    loader, evaluator = predicting_only(loaders, cfg.get('test_evaluator'))
    if not writes and not _label_free(evaluator):
        raise ConfigError(
            f'test_dataloader: nothing can be evaluated, as {reason}{hint}; '
            'complete the download or correct data_prefix.seg_map_path, or '
            'write predictions by --out DIR, --show-dir DIR or --export DIR'
        )
    cfg.test_dataloader, cfg.test_evaluator = loader, evaluator
    return [f'Nothing is compared with labels: {reason}{hint}']


def predicting_only(
    loader: dict, evaluator: dict | Sequence[dict] | None
) -> tuple[dict, list[dict]]:
    """Take labels and metrics that need them out of an evaluation.

    Args:
        loader: Config of a loader whose data set has no labels.
        evaluator: Config of its metrics.

    Returns:
        Config of a loader that reads no labels; metrics that need none, the
        first one only to carry the prefix of the others.
    """
    loader = copy.deepcopy(loader)
    for leaf in dataset_leaves(loader['dataset']):
        if 'seg_map_path' in (leaf.get('data_prefix') or {}):
            leaf['data_prefix']['seg_map_path'] = None
        leaf['pipeline'] = without_label_loaders(leaf.get('pipeline') or [])
    metrics = _listed(evaluator)
    prefix = next((m['prefix'] for m in metrics if m.get('prefix')), None)
    carrier = dict(type='DomainIoUMetric', format_only=True, prefix=prefix)
    return loader, [carrier, *_label_free(metrics)]


def _needs_no_labels(evaluator: dict | Sequence[dict]) -> bool:
    metrics = _listed(evaluator)
    return bool(metrics) and len(_label_free(metrics)) == len(metrics)


def _label_free(metrics: Sequence[dict]) -> list[dict]:
    return [
        metric
        for metric in metrics
        if not getattr(METRICS.get(metric['type']), 'needs_labels', True)
    ]


def _listed(evaluator: dict | Sequence[dict] | None) -> list[dict]:
    if not evaluator:
        return []
    if isinstance(evaluator, dict):
        inner = evaluator.get('metrics')
        return [evaluator] if inner is None else _listed(inner)
    return list(evaluator)
