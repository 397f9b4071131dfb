# Copyright (c) mmuda authors.
"""Looking ahead in the schedules of a run, and moving a run to others."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from mmuda.models.players import player_optim_wrappers
from mmuda.utils.errors import ConfigError

Schedulers = list[_ParamScheduler] | dict[str, list[_ParamScheduler]] | None


def schedulers_by_player(
    schedulers: Schedulers, players: Sequence[str]
) -> dict[str, list[_ParamScheduler]]:
    """Schedulers of each player; a list is that of a single one.

    Args:
        schedulers: Those of a runner, built.
        players: Names of all players.
    """
    if isinstance(schedulers, Mapping):
        return dict(schedulers)
    return {player: list(schedulers or []) for player in players}


def check_steps_are_taken(schedulers: Schedulers) -> None:
    """Refuse schedules by epochs in a training by iterations.

    They are the default of MMEngine, and would stay where they begin. Those
    that watch a metric follow the validations.

    Args:
        schedulers: Those of a runner, built.

    Raises:
        ConfigError: A schedule would never take a step.
    """
    for player, own in schedulers_by_player(schedulers, ['']).items():
        place = f'param_scheduler.{player}'.rstrip('.')
        for index, scheduler in enumerate(own):
            if scheduler.by_epoch and not hasattr(scheduler, 'need_val_args'):
                raise ConfigError(
                    f'{place}.{index}.by_epoch=True: the training is by '
                    'iteration, and its rates would never change; set '
                    'by_epoch=False, with begin and end in iterations'
                )


def check_no_idle_training(
    optim_wrapper: OptimWrapper | OptimWrapperDict,
    schedulers: Schedulers,
    begin: int,
    max_iters: int,
) -> None:
    """Refuse a schedule that ends before the training does, at rate 0.

    One iteration at rate 0, the last, is what a schedule of exactly the
    length of the training has.

    Args:
        optim_wrapper: Of the run.
        schedulers: Of the run, at the state after ``begin`` iterations.
        begin: Iterations that are finished.
        max_iters: Iterations of the training.

    Raises:
        ConfigError: Iterations before the last would change nothing.
    """
    wrappers = player_optim_wrappers(optim_wrapper)
    named = schedulers_by_player(schedulers, list(wrappers))
    for player, wrapper in wrappers.items():
        ends = [
            (s.end, index)
            for index, s in enumerate(named.get(player, []))
            if not s.by_epoch and s.param_name == 'lr' and s.end < max_iters
        ]
        if not ends:
            continue
        first = _first_at_zero(
            wrapper.param_groups, named[player], begin, max_iters
        )
        if first is not None and first < max_iters - 1:
            end, index = max(ends)
            raise ConfigError(
                f'param_scheduler ends at {end}, and the learning rate of '
                f'{player} is 0 from iteration {first + 1} on, but '
                f'train_cfg.max_iters={max_iters}; make the schedule as long '
                f'as the training, param_scheduler.{index}.end='
                f'{max_iters + 1}, or the training shorter'
            )


def continue_on_schedule(
    checkpoint: dict,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
    schedulers: Schedulers,
    finished: int,
) -> dict[str, float]:
    """Put the rates of another schedule into a checkpoint, in place.

    From the next iteration on they are those of a run that had the schedule
    from its start.

    Args:
        checkpoint: Content of the file, about to be resumed.
        optim_wrapper: Of the run, in its initial state; it is changed, as
            resuming overwrites it.
        schedulers: Of the run, in their initial states; likewise.
        finished: Iterations that the checkpoint has finished.

    Returns:
        The next learning rate of each player.
    """
    wrappers = player_optim_wrappers(optim_wrapper)
    named = schedulers_by_player(schedulers, list(wrappers))
    several = isinstance(optim_wrapper, OptimWrapperDict)
    rates = {}
    for player, wrapper in wrappers.items():
        own = named.get(player, [])
        with warnings.catch_warnings():
            # PyTorch's order of steps is that of trainings.
            warnings.simplefilter('ignore')
            for _ in range(finished):
                for scheduler in own:
                    if not scheduler.by_epoch:
                        scheduler.step()
        state = checkpoint['optimizer']
        _copy_rates(wrapper, state[player] if several else state, own)
        rates[player] = wrapper.param_groups[0]['lr']
    states = {
        player: [scheduler.state_dict() for scheduler in own]
        for player, own in named.items()
    }
    single = not isinstance(schedulers, Mapping)
    checkpoint['param_schedulers'] = (
        next(iter(states.values())) if single else states
    )
    return rates


def _copy_rates(
    wrapper: OptimWrapper, state: dict, schedulers: list[_ParamScheduler]
) -> None:
    names = {scheduler.param_name for scheduler in schedulers}
    stored = [*state['param_groups']]
    if state.get('base_param_settings'):
        stored.append(state['base_param_settings'])
    for own, other in zip(wrapper.param_groups, stored, strict=False):
        for name in names & set(own):
            other[name] = own[name]


def _first_at_zero(
    groups: Sequence[Mapping[str, Any]],
    schedulers: Sequence[_ParamScheduler],
    begin: int,
    max_iters: int,
) -> int | None:
    """First iteration, from 0, at which nothing is learned."""
    learning = [
        index
        for index, group in enumerate(groups)
        if group.get('initial_lr', group['lr']) > 0
    ]
    if not learning:
        return None
    # Schedules scale all groups alike; there may be hundreds.
    group = {k: v for k, v in groups[learning[0]].items() if k != 'params'}
    optimizer = SimpleNamespace(
        param_groups=[group], step=lambda: None, _global_step=1
    )
    optimizer.step._with_counter = True
    steps = [
        copy.copy(scheduler)
        for scheduler in schedulers
        if not scheduler.by_epoch and hasattr(scheduler, 'base_values')
    ]
    for scheduler in steps:
        scheduler.optimizer = optimizer
        scheduler.base_values = [scheduler.base_values[learning[0]]]
    # What has ended changes nothing, however long the training is.
    end = max((scheduler.end for scheduler in steps), default=begin)
    last = int(min(max_iters, max(begin, end) + 1))
    for iteration in range(begin, last):
        if group['lr'] == 0:
            return iteration
        for scheduler in steps:
            scheduler.step()
    return None
