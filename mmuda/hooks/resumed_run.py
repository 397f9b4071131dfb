# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Continuing a run from a checkpoint only as the run that it was."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.runner import Runner

from mmuda.engine.schedules import continue_on_schedule, schedulers_by_player
from mmuda.utils.errors import CheckpointError
from mmuda.utils.optimization import player_optim_wrappers
from mmuda.utils.text import join_some

from .run_record import (
    changed_lengths,
    check_same_course,
    describe_run,
    record_of,
    recorded_config,
)

# Of a schedule's state: what it is, and how long it lasts.
_FORM = ('param_name', 'begin', 'by_epoch', 'power', 'eta_min', 'gamma')
_LENGTH = ('end', 'total_iters', 'T_max', 'milestones')
_SETTINGS = ('lr', 'momentum', 'weight_decay', 'betas', 'eps')


def check_config_of_resumed_run(
    cfg: Config, checkpoint: Mapping[str, Any], file: str
) -> None:
    """Compare configs before anything is built or written.

    Args:
        cfg: Of the run that will resume.
        checkpoint: Content of the file.
        file: Its name, for messages.

    Raises:
        CheckpointError: They differ in more than the length of the training.
    """
    record = record_of(checkpoint)
    if record is not None:
        changed_lengths(record['config'], recorded_config(cfg), file)


def resume_run(runner: Runner, checkpoint: dict, file: str) -> None:
    """Refuse another run, and take over another length of the training.

    Args:
        runner: About to resume; nothing of it is trained yet.
        checkpoint: Content of the file; rates and schedules in it become
            those of the run.
        file: Its name, for messages.

    Raises:
        CheckpointError: Configs, processes, images, optimizers or the form of
            schedules differ.
    """
    record = record_of(checkpoint)
    try:
        taken = []
        if record is not None:
            taken = check_same_course(record, describe_run(runner), file)
        changed = _compare_states(runner, checkpoint, file)
        taken = taken or changed
        finished = int(checkpoint['meta']['iter'])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'{file}: its states are not those of a training ({error!r}); '
            'pass it to --load-from instead'
        ) from error
    if not taken:
        return
    if finished > runner.max_iters:
        raise CheckpointError(
            f'{file} has finished {finished} iterations, more than '
            f'train_cfg.max_iters={runner.max_iters}; make it larger'
        )
    rates = {}
    if any(not change.startswith('train_cfg') for change in taken):
        rates = continue_on_schedule(
            checkpoint, runner.optim_wrapper, runner.param_schedulers, finished
        )
    shown = ''.join(f'; {name}.lr {rate:.6g}' for name, rate in rates.items())
    runner.logger.log(
        logging.WARNING,
        f'Resumed with another length of the training: {join_some(taken, 9)}. '
        f'From iteration {finished + 1} on it follows the new schedule{shown}',
    )


def _compare_states(
    runner: Runner, checkpoint: Mapping[str, Any], file: str
) -> list[str]:
    """Compare what a checkpoint of an earlier version holds, too.

    Returns:
        Changes of length, in words.

    Raises:
        CheckpointError: Optimizers or the form of schedules differ.
    """
    wrappers = player_optim_wrappers(runner.optim_wrapper)
    schedulers = schedulers_by_player(runner.param_schedulers, list(wrappers))
    states = checkpoint.get('param_schedulers') or []
    info = checkpoint['message_hub'].get('runtime_info') or {}
    then, now = info.get('max_iters', runner.max_iters), runner.max_iters
    refused = []
    taken = [f'train_cfg.max_iters was {then}, now {now}'] * (then != now)
    for player, wrapper in wrappers.items():
        refused += _changed_optimizer(player, wrapper, checkpoint['optimizer'])
        stored = states[player] if isinstance(states, Mapping) else states
        own = [vars(s) for s in schedulers.get(player, [])]
        if len(stored) != len(own):
            refused.append(
                f'param_scheduler had {len(stored)} parts, now {len(own)}'
            )
        refused += _differences('param_scheduler', stored, own, _FORM)
        taken += _differences('param_scheduler', stored, own, _LENGTH)
    if refused:
        raise CheckpointError(
            f'{file} cannot be resumed with another configuration: '
            f'{join_some(refused)}; use the config that it was trained '
            'with, or start a new training with --load-from'
        )
    return list(dict.fromkeys(taken))


def _changed_optimizer(
    player: str, wrapper: OptimWrapper, states: Mapping[str, Any]
) -> list[str]:
    """Compare an optimizer with its stored state; one alone has no name."""
    groups = states.get(player, states)['param_groups']
    then, now = len(groups), len(wrapper.optimizer.param_groups)
    place = f'optim_wrapper.{player}'
    if then != now:
        return [f'{place} had {then} groups of parameters, now {now}']
    return _differences(place, groups, wrapper.param_groups, _SETTINGS)


def _differences(
    place: str,
    stored: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any] | _ParamScheduler],
    names: Sequence[str],
) -> list[str]:
    found = []
    for index, (then, now) in enumerate(zip(stored, own, strict=False)):
        for name in names:
            # What a schedule changes, before it did.
            first = f'initial_{name}'
            key = first if first in then and first in now else name
            if key in then and key in now and then[key] != now[key]:
                found.append(
                    f'{place}.{index}.{name} was {then[key]}, now {now[key]}'
                )
    return found
