# Copyright (c) mmuda authors.
"""Building one optimizer for each player of a UDA model."""

import copy
import logging
from collections.abc import Iterable

from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from torch import nn

from mmuda.models.players import unwrap
from mmuda.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from mmuda.utils.errors import ConfigError


class PlayerOptimWrapperDict(OptimWrapperDict):
    """Optimizer wrappers by player, with gradient accumulation.

    mmengine's class leaves the iteration count of its members at zero, so
    that accumulation breaks after a resume and in the last iterations.
    """

    def initialize_count_status(
        self, model: nn.Module, cur_iter: int, max_iters: int
    ) -> None:
        """Tell each member the iteration to start from and the last one."""
        model = unwrap(model)
        for player, wrapper in self.items():
            wrapper.initialize_count_status(
                getattr(model, player), cur_iter, max_iters
            )


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MultiOptimWrapperConstructor:
    """Build an optimizer wrapper for each named child of the model.

    Args:
        optim_wrapper_cfg: A config of an optimizer wrapper for each player
            (child of the model). Each may have its own ``paramwise_cfg`` and
            ``constructor``. An entry ``discriminator`` is for all children
            ``discriminator_<name>`` without an entry of their own, one
            wrapper each, if there is no ``discriminator``.
        paramwise_cfg: Not used; belongs into the player's config.

    Raises:
        ConfigError: An entry names no child of the model or no optimizer, or
            a trainable parameter is in no optimizer or in two.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='MultiOptimWrapperConstructor',
        ...     segmentor=dict(
        ...         type='OptimWrapper',
        ...         optimizer=dict(type='SGD', lr=2.5e-4)),
        ...     discriminator=dict(
        ...         type='OptimWrapper',
        ...         optimizer=dict(type='Adam', lr=1e-4)))
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        if paramwise_cfg is not None:
            raise ConfigError(
                'optim_wrapper.paramwise_cfg: put it into the entry of the '
                'player it is meant for'
            )
        self.configs = dict(optim_wrapper_cfg)
        if self.configs.pop('type', 'OptimWrapper') != 'OptimWrapper':
            raise ConfigError(
                'optim_wrapper.type: give each player its own type'
            )

    def __call__(self, model: nn.Module) -> PlayerOptimWrapperDict:
        """Build the wrappers.

        Args:
            model: The UDA model or its distributed wrapper.

        Returns:
            Wrappers by player.
        """
        model = unwrap(model)
        wrappers = {}
        for entry, config in self.configs.items():
            _check_optimizer(entry, config)
            for player, child in _parts(model, entry, self.configs).items():
                wrappers[player] = build_optim_wrapper(
                    child, copy.deepcopy(config)
                )
        _check_cover(model, wrappers)
        return PlayerOptimWrapperDict(**wrappers)


def _parts(
    model: nn.Module, entry: str, entries: Iterable[str]
) -> dict[str, nn.Module]:
    """Children that an entry is for: the one of its name, or a family."""
    own = getattr(model, entry, None)
    if isinstance(own, nn.Module):
        return {entry: own}
    children = dict(model.named_children())
    family = {
        name: child
        for name, child in children.items()
        if name.startswith(f'{entry}_') and name not in entries
    }
    if not family:
        raise ConfigError(
            f'optim_wrapper.{entry}: {type(model).__name__} has no such part, '
            f'or all have entries of their own (it has {list(children)})'
        )
    return family


def _check_optimizer(player: str, config: dict) -> None:
    given = config.get('optimizer') if isinstance(config, dict) else None
    kind = (given or {}).get('type')
    # What mmengine says of these two does not name the player.
    if kind is None:
        raise ConfigError(
            f'optim_wrapper.{player} has no optimizer; add one, such as '
            "optimizer=dict(type='Adam', lr=1e-4)"
        )
    if OPTIMIZERS.get(kind) is None:
        raise ConfigError(
            f"optim_wrapper.{player}.optimizer.type: no class '{kind}'"
        )


def _check_cover(model: nn.Module, wrappers: dict) -> None:
    owners: dict[int, list[str]] = {}
    for player, wrapper in wrappers.items():
        for group in wrapper.param_groups:
            for parameter in group['params']:
                owners.setdefault(id(parameter), []).append(player)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        players = owners.get(id(parameter), [])
        if len(players) != 1:
            fault = f'in several ({players})' if players else 'in none'
            raise ConfigError(
                f'optim_wrapper: each trained parameter must be in one '
                f"optimizer, but '{name}' is {fault}"
            )
    print_log(
        'Optimizers of '
        + ', '.join(
            f'{player} ({sum(len(g["params"]) for g in w.param_groups)} '
            'tensors)'
            for player, w in wrappers.items()
        ),
        logger='current',
        level=logging.INFO,
    )
