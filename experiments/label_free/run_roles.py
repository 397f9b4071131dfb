# Copyright (c) mmuda authors.
"""Which runs are methods, where no file of an experiment says so."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from mmengine.config import Config

from experiments.row_roles import Role, sees_target
from mmuda.utils.config_data import (
    data_sets,
    dataset_leaves,
    target_images,
)
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import SOURCE, UNSEEN


def given_roles(words: Iterable[str], root: Path) -> dict[str, Role]:
    """Read ``POOL/RUN=ROLE``, where RUN is a work directory or a row.

    Args:
        words: Of the command line.
        root: Folder of the pools.

    Raises:
        ConfigError: A run or a role is not known, or a run is named twice.
    """
    known = [f'{p.parent.name}/{p.name}' for p in sorted(root.glob('*/*/'))]
    roles = get_args(Role)
    found: dict[str, Role] = {}
    for word in words:
        name, sign, role = word.rpartition('=')
        if not sign or role not in roles:
            raise ConfigError(
                f"--roles '{word}': must be POOL/RUN=ROLE with one of "
                f'{", ".join(roles)}{did_you_mean(role, roles)}'
            )
        if name not in known:
            raise ConfigError(
                f"--roles '{word}': '{root}' has no run "
                f"'{name}'{did_you_mean(name, known)}"
            )
        if name in found:
            raise ConfigError(f"--roles: '{name}' is there twice")
        found[name] = role
    return found


def role_by_data(name: str, cfg: Config, pool: Iterable[Config]) -> Role:
    """What a run is, as told by what it trains on.

    One that sees a target is a method. One that does not is source-only if
    its source lies elsewhere than the targets, and an oracle if it is one of
    them.

    Args:
        name: Of the run, as ``POOL/RUN``.
        cfg: Config of the run.
        pool: Those of all runs of the pool, which know the targets.

    Raises:
        ConfigError: Source and target lie in the same folder without being
            the same images, so that only the user can tell.
    """
    if sees_target(cfg):
        return 'method'
    learned = list(_leaves(data_sets(cfg).get(SOURCE) or _source_of(cfg)))
    targets, tested = [], []
    for other in pool:
        for part in {**target_images(other), **_unseen(other)}.values():
            targets += _leaves(part)
        for key, part in data_sets(other).items():
            if key.partition('.')[0] in ('val', 'test'):
                tested += _leaves(part)
    images = [_images(leaf) for leaf in targets]
    if any(_images(leaf) in images for leaf in learned):
        return 'oracle'
    others = [_root(leaf) for leaf in (*targets, *tested)]
    for root in map(_root, learned):
        if any(_overlap(root, other) for other in others):
            raise ConfigError(
                f"'{name}' trains on labels in '{root}', where the target "
                'is, too: is it source-only, or an oracle, which learns '
                f'labels of the target? Say --roles {name}=source_only or '
                f'--roles {name}=oracle'
            )
    return 'source_only'


def _source_of(cfg: Config) -> Any:
    """A plain data set is the source, too."""
    return (cfg.get('train_dataloader') or {}).get('dataset') or {}


def _unseen(cfg: Config) -> Mapping[str, Any]:
    """Targets that a source-only config names for other tools."""
    return cfg.get(UNSEEN) or {}


def _leaves(dataset: Any) -> Iterator[dict]:
    return dataset_leaves(dataset) if dataset else iter(())


def _root(leaf: Mapping[str, Any]) -> Path:
    """Folder of the images of a data set."""
    prefix = (leaf.get('data_prefix') or {}).get('img_path') or ''
    return Path(os.path.realpath(Path(leaf.get('data_root') or '', prefix)))


def _images(leaf: Mapping[str, Any]) -> tuple:
    """What decides which images are read."""
    prefix = (leaf.get('data_prefix') or {}).get('img_path') or ''
    return (
        *(_root(leaf), prefix, leaf.get('ann_file') or ''),
        *(tuple(leaf.get(key) or ()) for key in ('include', 'exclude')),
    )


def _overlap(first: Path, second: Path) -> bool:
    return first.is_relative_to(second) or second.is_relative_to(first)
