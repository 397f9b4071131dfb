# Copyright (c) mmuda authors.
"""Configs by which the checkpoints of an experiment are looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmengine.config import Config

from experiments.label_free.experiment_runs import ExperimentRun
from mmuda.pseudo_labels.labelling_options import target_names
from mmuda.utils.config_data import data_sets


def data_of_pools(runs: Sequence[ExperimentRun]) -> dict[str, Config]:
    """Config of each pool whose images its checkpoints are shown.

    That of the first run that trains on a target, as source-only knows none.

    Args:
        runs: All runs.
    """
    found: dict[str, Config] = {}
    for run in runs:
        if run.pool not in found or not target_names(found[run.pool]):
            found[run.pool] = run.load()
    return found


def runs_by_target(
    runs: Sequence[ExperimentRun],
    data: Mapping[str, Config],
    domain: str | None,
) -> tuple[list[ExperimentRun], dict[str, Config]]:
    """Make a pool for each target of runs that have several.

    Args:
        runs: All runs.
        data: As of :func:`data_of_pools`.
        domain: The only target that is wanted; None for all.

    Returns:
        Runs by pool, a pool of several targets as ``<pool>/<target>``, and
        the config of each pool.
    """
    found, configs = [], {}
    for run in runs:
        config = data[run.pool]
        names = target_names(config)
        several = domain is None and len(names) > 1
        for name in names if several else [domain]:
            pool = f'{run.pool}/{name}' if several else run.pool
            found.append(replace(run, pool=pool, domain=name))
            configs[pool] = config
    # A stable sort: runs keep their order within a pool.
    return sorted(found, key=lambda run: run.pool), configs


def data_text(cfg: Config) -> str:
    """What the data sets of a config are, as far as results depend on it."""
    return repr(sorted(data_sets(cfg).items())) + repr(cfg.get('source_val'))


def network_text(cfg: Config) -> str:
    """What makes predictions of a checkpoint, as text."""
    return repr(sorted(cfg.model.to_dict().items()))
