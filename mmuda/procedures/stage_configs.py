# Copyright (c) mmuda authors.
"""Configs that the stages of the procedure run with."""

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmuda.datasets.sets.path_lines import (
    common_folder,
    find_list,
    read_path_lines,
)
from mmuda.utils.config_data import (
    dataset_leaves,
    set_pseudo_label_root,
)
from mmuda.utils.errors import ConfigError


@dataclass(frozen=True)
class TargetLabels:
    """Pseudo-labelled target images to train on.

    Attributes:
        keys: File with the key of an image on each line; None takes all.
        folder: Their pseudo-labels.
        thresholds: Manifest with the thresholds of the model that is trained;
            None if the training does not ask for them.
    """

    folder: Path
    keys: Path | None = None
    thresholds: Path | None = None


def training_config(
    cfg: Config,
    seed: int,
    images: Mapping[int, Path],
    load_from: Path | None = None,
    target: TargetLabels | None = None,
    changes: Mapping[str, object] | None = None,
) -> Config:
    """Config of one training of the procedure.

    Args:
        cfg: What the user wrote.
        seed: Of all random numbers.
        images: Folders of translated images by number of the source's data
            set; without any the source keeps its own.
        load_from: Weights to start from; None leaves them to the config.
        target: Labels of the target; None leaves them to the config.
        changes: Values by dotted key.
    """
    cfg = with_changes(cfg, changes)
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    if load_from is not None:
        cfg.load_from = str(load_from)
    leaves = list(source_leaves(cfg))
    for number, folder in images.items():
        leaf = leaves[number]
        prefix = dict(leaf.get('data_prefix') or {})
        prefix['img_path'] = str(folder.absolute())
        leaf['data_prefix'] = prefix
    if target is not None:
        if target.keys is not None:
            restrict_target(cfg, target.keys)
        set_pseudo_label_root(cfg, target.folder.absolute())
        if target.thresholds is not None:
            cfg.model.thresholds = str(target.thresholds.absolute())
    return cfg


def labelling_config(
    cfg: Config, keys: Path | None, rule: Mapping, **options
) -> Config:
    """Config of one labelling.

    Args:
        cfg: A training config with ``pseudo_labels``.
        keys: File with the keys of the images to label; None labels all.
        rule: Selection rule.
        **options: Further values of ``pseudo_labels``.
    """
    cfg = _plain(cfg)
    if keys is not None:
        restrict_target(cfg, keys)
    given = dict(cfg.pseudo_labels, **options)
    cfg.pseudo_labels = Config(dict(given, rule=dict(rule)))._cfg_dict
    return cfg


def with_changes(
    cfg: Config, changes: Mapping[str, object] | None = None
) -> Config:
    """What a training runs with, without ``cotraining``.

    Args:
        cfg: What the user wrote; it stays as it is.
        changes: Values by dotted key.
    """
    cfg = _plain(cfg)
    cfg.merge_from_dict(dict(changes or {}))
    return cfg


def pretrained_files(cfg: Config) -> list[Path]:
    """Local files of the weights that a backbone begins with.

    Args:
        cfg: A training config.
    """
    segmentor = cfg.model.get('segmentor') or {}
    given = (segmentor.get('backbone') or {}).get('init_cfg') or []
    entries = [given] if isinstance(given, Mapping) else given
    files = [entry.get('checkpoint') for entry in entries]
    # Web addresses are downloaded by the training.
    return [
        Path(file).expanduser() for file in files if file and '://' not in file
    ]


def source_leaves(cfg: Config) -> Iterator[dict]:
    """Data sets that the source of a training config is made of."""
    yield from dataset_leaves(cfg.train_dataloader.dataset.source)


def image_root(leaf: Mapping) -> str | None:
    """Folder below which a data set names its images.

    Args:
        leaf: Config of the data set.

    Returns:
        None if it does not say and has no list of images.
    """
    root = leaf.get('data_root')
    folder = (leaf.get('data_prefix') or {}).get('img_path')
    if folder:
        return os.path.join(root or '', folder)
    if leaf.get('image_list') is None:
        return root
    file = find_list(leaf['image_list'], root)
    # Data sets complain about lists that are missing.
    if not os.path.isfile(file):
        return None
    return common_folder(read_path_lines(file, root))


def target_leaf(cfg: Config) -> dict:
    """The target's data set.

    Raises:
        ConfigError: There is none, or several.
    """
    target = cfg.train_dataloader.dataset.get('target')
    leaves = list(dataset_leaves(target)) if target else []
    if len(leaves) != 1:
        raise ConfigError(
            'co-training needs one target data set in train_dataloader.'
            f'dataset.target, not {len(leaves)}'
        )
    return leaves[0]


def restrict_target(cfg: Config, keys: Path) -> None:
    """Let the target consist of listed images only, in place.

    Args:
        cfg: A training config.
        keys: File with the key of an image on each line.
    """
    target_leaf(cfg)['ann_file'] = str(keys.absolute())


def _plain(cfg: Config) -> Config:
    cfg = copy.deepcopy(cfg)
    cfg._cfg_dict.pop('cotraining', None)
    return cfg
