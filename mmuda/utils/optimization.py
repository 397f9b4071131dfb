# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Backpropagating several losses of several players in one iteration."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmuda.utils.errors import ConfigError

SEGMENTOR = 'segmentor'


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
