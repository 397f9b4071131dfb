# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The data sets of a config that are labelled."""

import copy
from collections.abc import Mapping

from mmengine.config import Config

from mmuda.utils.errors import ConfigError


def dataset_to_label(
    cfg: Config, pipeline: list, domain: str = 'target'
) -> dict | list:
    """Config of the target's training images with another pipeline.

    Args:
        cfg: A training config.
        pipeline: Takes the place of the target's pipeline.
        domain: Name of the target.

    Raises:
        ConfigError: The config has no such target.
    """
    targets = _targets(cfg)
    if domain not in targets:
        raise ConfigError(
            f"--domain '{domain}': train_dataloader.dataset has the targets "
            f'{sorted(targets)}'
        )
    return _with_pipeline(targets[domain], pipeline)


def target_names(cfg: Config) -> list[str]:
    """Names of the targets of a training config."""
    return list(_targets(cfg))


def _targets(cfg: Config) -> dict[str, dict | list]:
    dataset = cfg.train_dataloader.dataset
    targets = dict(dataset.get('targets') or {})
    if dataset.get('target'):
        targets['target'] = dataset['target']
    return targets


def ground_truth_of(dataset: dict | list, folder: str) -> dict | list:
    """The same data set with its labels, for measuring only.

    Args:
        dataset: What :func:`dataset_to_label` gave.
        folder: ``data_prefix.seg_map_path``.

    Returns:
        Config whose samples hold ``gt_seg_map`` in the size of the file.
    """
    if isinstance(dataset, list):
        return [ground_truth_of(part, folder) for part in dataset]
    for key in ('dataset', 'datasets'):
        if key in dataset:
            return dict(
                dataset, **{key: ground_truth_of(dataset[key], folder)}
            )
    labelled = copy.deepcopy(dict(dataset))
    labelled['data_prefix'] = dict(
        labelled.get('data_prefix') or {}, seg_map_path=folder
    )
    transforms = [t for t in labelled['pipeline'] if 'Pack' not in t['type']]
    load = dict(type='LoadLabels', resize_mismatch=True)
    return dict(labelled, pipeline=[*transforms, load])


def _with_pipeline(dataset: Mapping | list, pipeline: list) -> dict | list:
    if isinstance(dataset, (list, tuple)):
        return [_with_pipeline(part, pipeline) for part in dataset]
    for key in ('dataset', 'datasets'):
        if key in dataset:
            part = _with_pipeline(dataset[key], pipeline)
            return dict(dataset, **{key: part})
    changed = copy.deepcopy(dict(dataset))
    return dict(changed, pipeline=copy.deepcopy(list(pipeline)))
