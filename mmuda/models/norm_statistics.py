# Copyright (c) mmuda authors.
"""Running statistics of batch norm that fit the domain they are used on.

Those that mix domains fit none of them. Here is how those of one are measured
on its images, and how a checkpoint holds them. Nothing is of segmentation.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal, get_args

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import CheckpointError, ConfigError

NormStatistics = Literal['mixed', 'target', 'by_domain']
Statistics = dict[str, Tensor]

# Of a checkpoint: what training goes on with, and in ``meta`` what the
# running statistics among its weights are of.
TRAINING, MARK = 'training_statistics', 'norm_statistics'

# What TargetNormStatisticsHook takes of ``model.norm_statistics``.
OPTIONS = (
    *('images', 'batch_size', 'num_workers'),
    *('pipeline', 'datasets', 'frozen'),
)
_MEAN, _VARIANCE = 'running_mean', 'running_var'


def running_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Batch norms that have running statistics, by name.

    Args:
        network: Any module.
    """
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def counted_norms(network: nn.Module) -> list[str]:
    """Names of the batch norms that training counts, unlike frozen ones.

    Args:
        network: It is left in the mode that it is in.
    """
    modes = {module: module.training for module in network.modules()}
    network.train()
    names = [name for name, n in running_norms(network).items() if n.training]
    network.train(modes[network])
    for module, mode in modes.items():
        module.training = mode
    return names


def statistics_of(network: nn.Module, names: Iterable[str]) -> Statistics:
    """Copies of running means and variances, by the names of their buffers.

    Args:
        network: Any module.
        names: Of its batch norms.
    """
    norms = running_norms(network)
    return {
        f'{name}.{kind}': getattr(norms[name], kind).clone()
        for name in names
        for kind in (_MEAN, _VARIANCE)
    }


@torch.no_grad()
def set_statistics(network: nn.Module, statistics: Statistics) -> None:
    """Write running means and variances, in place.

    Args:
        network: Any module.
        statistics: By the names of its buffers.
    """
    buffers = dict(network.named_buffers())
    for name, values in statistics.items():
        buffers[name].copy_(values)


class _Moments:
    """Number, sum and sum of squares of all values of each channel."""

    def __init__(self) -> None:
        self.sums: Tensor | None = None  # (3, C)

    def add(self, count: int, mean: Tensor, variance: Tensor) -> None:
        """Add values of which mean and biased variance (C,) are known."""
        mean, variance = mean.double(), variance.double()
        sums = torch.stack(
            [
                torch.full_like(mean, count),
                count * mean,
                count * (variance + mean.square()),
            ]
        )
        self.sums = sums if self.sums is None else self.sums + sums


@torch.no_grad()
def measured_statistics(
    network: nn.Module,
    names: Iterable[str],
    batches: Iterable,
    forward: Callable,
    together: bool = True,
) -> Statistics:
    r"""Means and variances of what batch norms see of a domain.

    .. math:: \mu_c = \frac 1 M \sum_m x_{cm}, \quad
        \sigma_c^2 = \frac 1 {M - 1} \sum_m (x_{cm} - \mu_c)^2

    over all M values of a channel on all images: AdaBN (Li et al., *Revisiting
    batch normalization for practical domain adaptation*, 2016). torch's
    ``update_bn`` averages the variances of batches instead, which leaves out
    that between them, and runs dropout. In the pass each batch is normalised
    by itself, as in training; a batch with one value a channel is normalised
    as the network is.

    Args:
        network: In evaluation mode; its statistics change and have to be set
            afterwards.
        names: Of its batch norms that are measured.
        batches: Those of this process; which images are in one must not
            depend on the number of processes.
        forward: Runs the network on a batch.
        together: All processes share the batches and get the sum.

    Returns:
        By the names of the buffers; those of a norm that saw nothing are
        what they were.
    """
    norms = running_norms(network)
    measured = {name: norms[name] for name in names}
    before = statistics_of(network, measured)
    moments = {name: _Moments() for name in measured}
    with ExitStack() as stack:
        for name, norm in measured.items():
            look = partial(_look, moments[name])
            handle = norm.register_forward_pre_hook(look)
            stack.callback(handle.remove)
        for batch in batches:
            forward(batch)
    after: Statistics = {}
    for name in measured:
        sums = moments[name].sums
        if sums is None:
            # Another process may have seen something.
            like = before[f'{name}.{_MEAN}'].double()
            sums = torch.zeros_like(like).expand(3, -1).clone()
        if together:
            all_reduce(sums)
        after |= _totals(name, sums, before)
    return after


def _look(moments: _Moments, norm: _BatchNorm, inputs: tuple) -> None:
    values = inputs[0].float()
    dims = [0, *range(2, values.dim())]
    variance, mean = torch.var_mean(values, dims, correction=0)
    count = values.numel() // values.shape[1]
    moments.add(count, mean, variance)
    if count > 1:
        assert norm.running_mean is not None, 'as of running_norms()'
        assert norm.running_var is not None, 'as the mean'
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def _totals(name: str, sums: Tensor, before: Statistics) -> Statistics:
    count, total, squares = sums
    keys = f'{name}.{_MEAN}', f'{name}.{_VARIANCE}'
    if not count[0]:
        return {key: before[key] for key in keys}
    mean = total / count
    variance = (squares - total * mean).clamp(min=0) / (count - 1).clamp(min=1)
    values = (mean, variance)
    return {k: v.to(before[k]) for k, v in zip(keys, values, strict=True)}


def statistics_options(
    norm_statistics: NormStatistics | Mapping[str, Any] | None,
) -> tuple[str, dict[str, Any]]:
    """Kind of statistics, and options of how they are measured.

    Args:
        norm_statistics: As of ``BaseUDA``.

    Raises:
        ConfigError: The kind or an option is unknown, or the kind has none.
    """
    options: dict[str, Any] = {}
    if isinstance(norm_statistics, Mapping):
        options = dict(norm_statistics)
        kind = options.pop('mode', 'target')
    else:
        kind = norm_statistics or 'mixed'
    known = get_args(NormStatistics)
    if kind not in known:
        raise ConfigError(
            f'model.norm_statistics={kind!r}: must be one of {known}, or '
            "dict(mode='target', images=...)"
        )
    for key in options:
        if key not in OPTIONS:
            raise ConfigError(
                f"model.norm_statistics: there is no '{key}', only mode, "
                f'{", ".join(OPTIONS)}{did_you_mean(key, OPTIONS)}'
            )
    if options and kind != 'target':
        raise ConfigError(
            f'model.norm_statistics: {kind!r} has no options, but '
            f"{', '.join(options)} are given; they go with mode='target'"
        )
    return kind, options


def hold_target_statistics(
    checkpoint: dict[str, Any], networks: Mapping[str, Statistics], **about
) -> None:
    """Let a checkpoint predict by statistics of the target, in place.

    Args:
        checkpoint: About to be saved; what training goes on with is kept
            beside the weights.
        networks: Statistics by child of the model.
        **about: Of the images, for its meta information.
    """
    state = checkpoint['state_dict']
    measured = {
        f'{child}.{name}': values.to(state[f'{child}.{name}'])
        for child, statistics in networks.items()
        for name, values in statistics.items()
    }
    checkpoint[TRAINING] = {name: state[name] for name in measured}
    state.update(measured)
    checkpoint['meta'][MARK] = dict(about, of='target')


def holds_target_statistics(checkpoint: Mapping[str, Any]) -> bool:
    """Whether the running statistics of a checkpoint are of the target."""
    meta = checkpoint.get('meta')
    mark = meta.get(MARK) if isinstance(meta, Mapping) else None
    return isinstance(mark, Mapping) and mark.get('of') == 'target'


def take_training_statistics(checkpoint: dict[str, Any], file: str) -> None:
    """Let a run go on with the statistics of its training, in place.

    Args:
        checkpoint: That a run resumes from.
        file: Its name, for messages.

    Raises:
        CheckpointError: They do not belong to its weights.
    """
    kept, state = checkpoint.get(TRAINING), checkpoint['state_dict']
    if kept is None:
        return
    sound = isinstance(kept, Mapping) and all(
        isinstance(values, Tensor)
        and values.shape == getattr(state.get(name), 'shape', None)
        and bool(values.isfinite().all())
        for name, values in kept.items()
    )
    if not sound:
        raise CheckpointError(
            f'{file}: its {TRAINING} are not those of its weights; pass it '
            'to --load-from instead'
        )
    state.update(kept)
