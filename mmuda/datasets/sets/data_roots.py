# Copyright (c) mmuda authors.
"""Folders of data that are not there."""

import inspect
import os
from collections.abc import Mapping

from mmengine.config import Config

from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS
from mmuda.utils.config_data import data_sets, dataset_leaves
from mmuda.utils.errors import DataError


def is_domain_seg_dataset(config: Mapping) -> bool:
    """Whether the config of a single data set is of one of ours."""
    kind = config.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    return inspect.isclass(kind) and issubclass(kind, DomainSegDataset)


def require_data_roots(*cfgs: Config, validates: bool = True) -> None:
    """Name all folders of a training's data that are not there, at once.

    Args:
        cfgs: Training configs.
        validates: Whether images of a validation are needed, if there is one.

    Raises:
        DataError: Some ``data_root`` is no folder.
    """
    lost: dict[str, list[str]] = {}
    for cfg in cfgs:
        keys = ('val_dataloader', 'val_cfg', 'val_evaluator')
        is_validated = validates and all(cfg.get(k) is not None for k in keys)
        events = ('val',) if is_validated else ()
        for name, config in data_sets(cfg, events).items():
            leaves = [*dataset_leaves(config)]
            for number, leaf in enumerate(leaves):
                root = leaf.get('data_root')
                if not root or os.path.isdir(root):
                    continue
                if is_domain_seg_dataset(leaf):
                    part = f'{name}.{number}' if len(leaves) > 1 else name
                    lost.setdefault(root, []).append(part)
    if lost:
        raise DataError(_not_there(lost))


def _not_there(lost: Mapping[str, list[str]]) -> str:
    parts = [
        (root, sorted(dict.fromkeys(names), key=_is_evaluated))
        for root, names in lost.items()
    ]
    what = ' and '.join(f"'{root}' ({', '.join(n)})" for root, n in parts)
    are = 'are not folders' if len(parts) > 1 else 'is not a folder'
    # What is evaluated follows the target by --data-root.
    named = [
        f'{name}=DIR'
        for _, names in parts
        for name in names
        if not _is_evaluated(name)
    ]
    other = f'set --data-root {" ".join(named)}'
    if not named:
        other = (
            'set data_root in the dataset config, or train without an '
            'evaluation, val_dataloader=None'
        )
    return f'data_root: {what} {are}; download the data there, or {other}'


def _is_evaluated(name: str) -> bool:
    return name.partition('.')[0] == 'val'
