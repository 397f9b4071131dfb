# Copyright (c) mmuda authors.
"""How an iteration runs in which several players take part.

A method is a generator of ``(player, losses)``, whatever its networks do. A
player is a child of the model with an optimizer, and if need be a distributed
wrapper, of its own. Nothing here is of segmentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import reduce
from typing import Any, TypeVar, cast

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.logging import MessageHub
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmuda.models.batch import Batch, DomainBatch, prepared_batch
from mmuda.models.domain_norms import on_source
from mmuda.models.method_checks import distinct_targets
from mmuda.models.term import Losses, Term, add_terms
from mmuda.utils.errors import ConfigError

SEGMENTOR = 'segmentor'
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
        Sum of each player's losses and every single one, for logging.
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
    return {f'loss.{name}': total for name, total in totals.items()} | logs


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


def player_optim_wrappers(
    optim_wrapper: OptimWrapper | OptimWrapperDict, main: str = SEGMENTOR
) -> dict[str, OptimWrapper]:
    """Optimizer wrappers by player; a single one is the main player's."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return dict(optim_wrapper.items())
    return {main: optim_wrapper}


def ddp_dummy_loss(
    network: BaseModel, outputs: Mapping[str, Tensor]
) -> Losses:
    """A loss of value zero on all that a pass of a network trains.

    Under DDP each trained parameter needs a gradient in each backward pass.
    Heads that ran without a loss give one to the part of the backbone that
    feeds only them; heads that did not run give one to themselves.

    Args:
        network: One with ``heads`` by name and ``parameters_of`` one, with
            or without a distributed wrapper.
        outputs: Of the heads that ran, by name.

    Returns:
        At most one loss; none without DDP.
    """
    if not is_model_wrapper(network):
        return {}
    parts = list(outputs.values())
    whole = unwrap(network)
    for name in whole.heads():
        if name not in outputs:
            weights = whole.parameters_of(name)
            parts += [weight for weight in weights if weight.requires_grad]
    nothing = ((0 * part).sum() for part in parts)
    return {'loss_unused': reduce(torch.add, nothing)}


class SequentialUpdate:
    """One training iteration: many backward passes, one step a player.

    Each loss is backpropagated as soon as its graph is complete, so that only
    one domain's graph is alive. Gradients add up in the parameters; the sum
    equals that of one joint backward pass. Accumulation over iterations,
    gradient clipping and mixed precision stay with the optimizer wrappers.

    Args:
        model: Has a child named after each player; ``main`` names the first.
        optim_wrapper: One wrapper per player.

    Raises:
        ConfigError: A part of the model that is trained has no optimizer.
    """

    def __init__(
        self,
        model: BaseModel,
        optim_wrapper: OptimWrapper | OptimWrapperDict,
    ) -> None:
        self.model = model
        self.wrappers = player_optim_wrappers(optim_wrapper, model.main)
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


class PlayersMixin(BaseModel):
    """A model that learns from several domains, in steps of its players.

    An iteration is a generator, :meth:`training_step`, that yields
    ``(player, losses)``: a player is a child module with an optimizer of its
    own. Each yielded loss is backpropagated at once and its graph freed; at
    the end each player takes one step. Here it walks from the source to the
    targets to the discriminators; a method says what is its own there.

    What the networks do is left open: beside a base class of segmentation, of
    detection, or MMEngine's it makes methods of adaptation.

    Attributes:
        main: Name of the player that is adapted, which the source and the
            targets teach.
        allows_padding: Whether the losses of a method leave out the padding
            of images of unequal size; others refuse such batches.
        sees_domains_apart: Whether the main player sees source and targets,
            in passes of their own.
        seams: Where a term may ride on the method.
        targets: Names that training must have; None for those of the data.
        warmup_iters: Iterations on the source alone.
        terms: Losses that ride on the method.
    """

    main = SEGMENTOR
    allows_padding = False
    sees_domains_apart = True
    seams: tuple[str, ...] = ('on_source', 'on_target', 'extra')
    targets: tuple[str, ...] | None
    warmup_iters: int
    terms: list[Term]

    def prepare_walk(
        self,
        targets: Sequence[str] | None = None,
        warmup_iters: int = 0,
        terms: Sequence[dict] = (),
    ) -> None:
        """Take the options of the walk, in ``__init__``.

        Args:
            targets: Names of the targets in the order of the method, or None.
            warmup_iters: Iterations before adaptation starts.
            terms: Configs of ``Term``; they find the main player and its
                followers.
        """
        self.targets = None if targets is None else distinct_targets(targets)
        self.warmup_iters = warmup_iters
        self.terms = []
        add_terms(self, terms)

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> Losses:
        """Run :meth:`training_step` and step each player once.

        Args:
            data: A batch of a ``DomainDataset``.
            optim_wrapper: Optimizer wrappers by player.

        Returns:
            Every loss of every player by name, the mean of all processes.
        """
        steps = self._steps(prepared_batch(data, self))
        return mean_of_processes(backpropagate(self, steps, optim_wrapper))

    def _steps(self, batch: Batch) -> Steps:
        yield from self.training_step(batch)
        for term in () if self.is_warming_up else self.terms:
            yield from term.extra(self, batch)

    def training_step(self, batch: Batch) -> Steps:
        """One iteration as the sequence of losses that are backpropagated.

        No forward pass of a later loss may need the graph of an earlier one.
        Losses are yielded without a name, which would keep their graph.

        Args:
            batch: Images of all domains.

        Yields:
            Name of the player whose gradients count, and its losses by name.
            Values whose name contains "loss" are summed and backpropagated,
            the others are logged only.
        """
        self.check_batch(batch)
        seen: dict[str, Any] = {}
        apart = hasattr(self, 'source_statistics')
        with on_source(self) if apart else nullcontext():
            yield from self.source_steps(batch, seen)
        if self.is_warming_up:
            return
        for name in self.targets or batch.targets:
            yield from self.target_steps(batch, name, seen)
        yield from self.discriminator_steps(batch, seen)

    def check_batch(self, batch: Batch) -> None:
        """Refuse a batch that the method can't learn from.

        Raises:
            ConfigError: It has no target, or others than the method.
        """
        batch.require_targets(self.targets)

    def source_steps(self, batch: Batch, seen: dict[str, Any]) -> Steps:
        """What is learned from the source: its labels.

        Args:
            batch: Images of all domains.
            seen: By domain, gets detached outputs for discriminators.
        """
        yield self.main, self.losses_on(batch.source, seen)

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Any]
    ) -> Steps:
        """What is learned from the target of a name; see also above."""
        yield self.main, self.losses_on(batch.targets[name], seen)

    def discriminator_steps(self, batch: Batch, seen: dict[str, Any]) -> Steps:
        """What discriminators learn at the end; arguments as before."""
        yield from ()

    def losses_on(self, domain: DomainBatch, seen: dict[str, Any]) -> Losses:
        """Losses of the main player in one pass on a domain, by name.

        Args:
            domain: The source or a target.
            seen: Gets what discriminators need, without a graph.
        """
        raise NotImplementedError

    @property
    def network(self) -> BaseModel:
        """The main player itself, without a distributed wrapper.

        Images are shown to the child, which may be in one.
        """
        return unwrap(getattr(self, self.main))

    @property
    def is_warming_up(self) -> bool:
        """Whether training still sees the source alone."""
        return current_iteration() < self.warmup_iters

    @property
    def adaptation_begins(self) -> bool:
        """Whether this is the first iteration after the warm-up."""
        return current_iteration() == self.warmup_iters
