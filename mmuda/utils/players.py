# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How an iteration runs in which several players take part.

A method is a generator of ``(player, losses)``, whatever its networks do. A
player is a child of the model with an optimizer, and if need be a distributed
wrapper, of its own.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import TypeVar, cast

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub, print_log
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.utils import add_prefix
from torch import Tensor, nn

from mmuda.utils.errors import ConfigError

SEGMENTOR = 'segmentor'
Losses = dict[str, Tensor]
Steps = Iterator[tuple[str, Losses]]


Module = TypeVar('Module', bound=nn.Module)


def unwrap(module: Module) -> Module:
    """The module inside a distributed wrapper, or the module itself."""
    # What is wrapped is as good as its wrapper wherever a type is named.
    return cast(Module, module.module) if is_model_wrapper(module) else module


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Run the module inside the block as a constant function.

    Gradients still flow through it to its input.

    Args:
        module: A module; afterwards each parameter's ``requires_grad`` is
            what it was.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def current_iteration() -> int:
    """Iterations finished so far; right after a resume as well.

    mmengine's ``RuntimeInfoHook`` keeps the number. A counter of the model's
    own would start from zero at each resume.
    """
    hub = MessageHub.get_current_instance()
    return hub.get_info('iter', 0) or 0


def run_steps(
    model: BaseModel,
    steps: Steps,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> Losses:
    """One iteration of a method.

    Args:
        model: Has the players as children.
        steps: Players and their losses.
        optim_wrapper: Optimizer wrappers by player.

    Returns:
        Sum of each player's losses and every single one by name, for
        logging: the mean of all processes.
    """
    logs = mean_of_processes(backpropagate(model, steps, optim_wrapper))
    _warn_without_labels(logs, model.without_labels)
    return logs


def backpropagate(
    model: BaseModel,
    steps: Steps,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> Losses:
    """Backpropagate each loss as it comes, and step each player once.

    Args:
        model: Has the players as children.
        steps: Players and their losses.
        optim_wrapper: Optimizer wrappers by player.

    Returns:
        Sum of each player's losses and every single one by name, for
        logging.
    """
    update = SequentialUpdate(model, optim_wrapper)
    logs: Losses = {}
    totals: Losses = {}
    while True:
        with update.forward_context():
            player, losses = next(steps, (None, None))
        if player is None:
            break
        total, values = model.parse_losses(losses)
        update.backward(player, total)
        totals[player] = totals.get(player, 0) + total.detach()
        logs |= {k: v.detach() for k, v in values.items() if k != 'loss'}
        del losses, total, values
    update.step()
    return add_prefix(totals, 'loss') | logs


@torch.no_grad()
def mean_of_processes(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Average numbers over all processes, which all have to call this.

    Args:
        values: Scalars of the same names in all processes.

    Returns:
        Their means in the types that they have, on the CPU: one copy takes
        less time than one for each when they are logged.
    """
    scalars = [value.detach().squeeze() for value in values.values()]
    if not scalars:
        return {}
    kind = reduce(torch.promote_types, [s.dtype for s in scalars])
    # Some may be on the CPU, such as constants.
    devices = {s.device for s in scalars if s.device.type != 'cpu'}
    device = devices.pop() if devices else None
    stacked = torch.stack([scalar.to(device, kind) for scalar in scalars])
    if get_world_size() > 1:
        all_reduce(stacked, op='mean')
    means = stacked.cpu().unbind()
    return {
        name: mean.to(scalar.dtype)
        for name, mean, scalar in zip(values, means, scalars, strict=True)
    }


def _warn_without_labels(logs: Losses, told: set[str]) -> None:
    """Say once for each loss that a batch has nothing to learn from."""
    for name, value in logs.items():
        if 'acc_seg' in name and name not in told and value.isnan():
            told.add(name)
            print_log(
                f'Iteration {current_iteration() + 1}: all pixels of the '
                f'batch are ignored, none has a label ({name} is nan); later '
                'ones like it are not reported',
                'current',
                logging.WARNING,
            )


def player_optim_wrappers(
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> dict[str, OptimWrapper]:
    """Optimizer wrappers by player; a single one is the segmentor's."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return dict(optim_wrapper.items())
    return {SEGMENTOR: optim_wrapper}


class SequentialUpdate:
    """One training iteration: many backward passes, one step a player.

    Each loss is backpropagated as soon as its graph is complete, so that only
    one domain's graph is alive. Gradients add up in the parameters; the sum
    equals that of one joint backward pass. Accumulation over iterations,
    gradient clipping and mixed precision stay with the optimizer wrappers.

    Args:
        model: Has a child named after each player.
        optim_wrapper: One wrapper per player.

    Raises:
        ConfigError: A part of the model that is trained has no optimizer.
    """

    def __init__(
        self,
        model: nn.Module,
        optim_wrapper: OptimWrapper | OptimWrapperDict,
    ) -> None:
        self.model = model
        self.wrappers = player_optim_wrappers(optim_wrapper)
        # Now, since some players take part after a warm-up only.
        for name, child in model.named_children():
            if any(p.requires_grad for p in child.parameters()):
                self._require(name)

    @contextmanager
    def forward_context(self) -> Iterator[None]:
        """Autocast and, between accumulated steps, no synchronisation."""
        with ExitStack() as stack:
            for player, wrapper in self.wrappers.items():
                child = getattr(self.model, player)
                stack.enter_context(wrapper.optim_context(child))
            yield

    def backward(self, player: str, loss: Tensor) -> None:
        """Add the gradients of one loss to its player's parameters.

        Args:
            player: Name of the player whose optimizer owns the parameters.
            loss: Scalar.

        Raises:
            ConfigError: The player has no optimizer.
        """
        self._require(player)
        wrapper = self.wrappers[player]
        # The wrapper counts backward calls as iterations; several calls are
        # one iteration here, so the count moves only in ``step``.
        count = wrapper._inner_count
        wrapper.backward(wrapper.scale_loss(loss))
        wrapper._inner_count = count

    def _require(self, player: str) -> None:
        if player not in self.wrappers:
            raise ConfigError(
                f"optim_wrapper has no entry '{player}' (it has "
                f'{sorted(self.wrappers)}); add one, and '
                "constructor='MultiOptimWrapperConstructor'"
            )

    def step(self) -> None:
        """Step each player that is due and has gradients."""
        for wrapper in self.wrappers.values():
            wrapper._inner_count += 1
            if wrapper.should_update() and _has_gradient(wrapper):
                wrapper.step()
                wrapper.zero_grad()


def _has_gradient(wrapper: OptimWrapper) -> bool:
    return any(
        parameter.grad is not None
        for group in wrapper.param_groups
        for parameter in group['params']
    )


def detach(logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same logits without their graph."""
    return {name: values.detach() for name, values in logits.items()}


def drop_gradients(segmentor: BaseSegmentor, heads: Iterable[str]) -> None:
    """Leave heads as they are that had no loss in a whole iteration.

    Under DDP ``ddp_dummy_loss`` gives them gradients of zero, by
    which an optimizer would still decay their weights. A head keeps the
    gradients that a term gives it.

    Args:
        segmentor: A ``MultiHeadEncoderDecoder``, with or without a
            distributed wrapper.
        heads: Names of the heads.
    """
    known = unwrap(segmentor).heads()
    for name in heads:
        for parameter in known[name].parameters():
            if parameter.grad is not None and not parameter.grad.any():
                parameter.grad = None


def ddp_dummy_loss(
    network: BaseSegmentor, logits: Mapping[str, Tensor]
) -> Losses:
    """A loss of value zero on all that a pass of a network trains.

    Under DDP each trained parameter needs a gradient in each backward pass.
    Heads that ran without a loss give one to the part of the backbone that
    feeds only them; heads that did not run give one to themselves.

    Args:
        network: A segmentor, with or without a distributed wrapper.
        logits: Of the heads that ran, by name.

    Returns:
        At most one loss; none without DDP.
    """
    if not is_model_wrapper(network):
        return {}
    parts = list(logits.values())
    for name, head in unwrap(network).heads().items():
        if name not in logits:
            parts += [p for p in head.parameters() if p.requires_grad]
    nothing = ((0 * part).sum() for part in parts)
    return {'loss_unused': reduce(torch.add, nothing)}
