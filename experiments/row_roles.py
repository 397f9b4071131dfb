# Copyright (c) mmuda authors.
"""What rows of an experiment are for each other, whatever they are called."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from mmengine.config import Config

from mmuda.models.norm_statistics import statistics_options
from mmuda.utils.config_data import target_images
from mmuda.utils.names import LABELLED_TARGET

Role = Literal['source_only', 'start', 'oracle', 'method']
# A start is one by what begins with it.
GivenRole = Literal['source_only', 'oracle', 'method']


def roles_of(
    starts: Mapping[str, str | None],
    source_only: Collection[str],
    oracles: Collection[str],
) -> dict[str, Role]:
    """What each row is for the others, by where they start.

    What starts from an oracle has seen its labels. What an oracle alone
    starts from is a part of its training, and what source-only starts from a
    part of that one: neither is an adapted method.

    Args:
        starts: Rows and what they start from; that may be no row itself.
        source_only: Rows that adaptation has to beat, and further ones that
            do not adapt.
        oracles: Rows that have labels of the target.

    Returns:
        ``source_only``, ``start`` of it, ``oracle`` or ``method``, by row.
    """
    chains = {name: _ancestors(name, starts) for name in starts}
    begun = {part for name in source_only for part in chains.get(name, ())}
    above = {part for name in oracles for part in chains.get(name, ())}
    below = {k for k, c in chains.items() if not {k, *c}.isdisjoint(oracles)}
    found: dict[str, Role] = {}
    for name in starts:
        users = {key for key, chain in chains.items() if name in chain}
        if name in source_only:
            found[name] = 'source_only'
        elif name in begun:
            found[name] = 'start'
        elif name in below or (name in above and users <= above | below):
            found[name] = 'oracle'
        else:
            found[name] = 'method'
    return found


def sees_target(cfg: Config | Mapping[str, Any]) -> bool:
    """Whether a training sees a target, with or without its labels.

    Batch norms that measure their statistics on it see it, too.

    Args:
        cfg: A whole config.

    Raises:
        ConfigError: ``model.norm_statistics`` is wrong.
    """
    model = cfg.get('model') or {}
    if statistics_options(model.get('norm_statistics'))[0] != 'mixed':
        return True
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    labelled = isinstance(dataset, Mapping) and dataset.get(LABELLED_TARGET)
    return bool(labelled or target_images(cfg))


def _ancestors(name: str, starts: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    while (start := starts.get(name)) is not None and start not in found:
        found.append(start)
        name = start
    return found
