# Copyright (c) mmuda authors.
"""What an iteration with its data takes in each precision, compiled or not.

Meant for a GPU at the published sizes, where it keeps to a number of minutes;
it runs on a CPU, too.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner

from benchmarks.measure import Row, Tick, seconds_of, spread, synchronize
from benchmarks.memory import peak_bytes
from benchmarks.setting import method_configs, optimizer_config
from benchmarks.several_targets_config import (
    method_config,
    optimizers,
    target_names,
)
from benchmarks.training_case import optimizers_in
from mmuda.models.players import player_optim_wrappers
from mmuda.registry import MODELS
from mmuda.utils.compilation import compile_network, compile_options
from mmuda.utils.mixed_precision import Precision, lay_out

METHODS = ('AdvEnt', 'MTKT')
TARGETS = 2
_MIN_ITERATIONS = 3


class Variant(NamedTuple):
    """How networks compute.

    Attributes:
        precision: Of convolutions and matrix products.
        compilation: As the key ``compile`` of a config.
    """

    precision: Precision
    compilation: bool | dict = False

    @property
    def title(self) -> str:
        """Name in the table."""
        return self.precision + ' + compile' * bool(self.compilation)


VARIANTS = (Variant('fp32'), Variant('bf16'), Variant('bf16', True))


class Taken(NamedTuple):
    """Seconds that iterations took.

    Attributes:
        first: The first iteration, with all that happens once.
        steps: The others.
        waits: For the data of each of these.
    """

    first: float
    steps: list[float]
    waits: list[float]


def precision_rows(
    cfg: Config,
    *,
    device: str,
    minutes: float,
    variants: tuple[Variant, ...] = VARIANTS,
    tick: Tick | None = None,
) -> list[Row]:
    """Seconds, memory and waiting for data of iterations.

    Args:
        cfg: A training config whose data exist.
        device: Where to compute.
        minutes: For all methods and variants together; each takes at least
            four iterations, however long they are.
        variants: How networks compute.
        tick: Called with a message at each step.
    """
    rows = []
    share = 60 * minutes / (len(METHODS) * len(variants))
    for method in METHODS:
        for variant in variants:
            if tick is not None:
                tick(f'{method} {variant.title}')
            rows += _rows(cfg, method, variant, device, share)
    return rows


def _rows(
    cfg: Config, method: str, variant: Variant, device: str, seconds: float
) -> list[Row]:
    end = time.perf_counter() + seconds
    title = f'{method} {variant.title}'
    on_gpu = torch.device(device).type == 'cuda'
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    model, wrapper = build(cfg, method, variant, device)
    batches = iter(Runner.build_dataloader(loader_config(cfg, method)))
    taken = run_until(
        end, partial(model.train_step, optim_wrapper=wrapper), batches, device
    )
    if on_gpu:
        peak = torch.cuda.max_memory_allocated(device)
        what = 'with weights, gradients and optimizers'
    else:
        data = next(batches)
        peak = peak_bytes(lambda: model.train_step(data, wrapper))
        what = 'beyond weights, gradients and optimizers'
    step, wait = map(statistics.median, (taken.steps, taken.waits))
    row = partial(Row, 'precisions')
    first = f'{len(taken.steps)} iterations, {spread(taken.steps)} s; '
    first += f'the first {taken.first:.3g} s'
    share = f'{100 * wait / (step + wait):.3g} % of the time'
    return [
        row(f'{title}: iteration', step, 's', detail=first),
        row(f'{title}: peak of memory', peak / 1e9, 'GB', detail=what),
        row(f'{title}: waiting for data', wait, 's', detail=share),
    ]


def run_until(
    end: float,
    step: Callable[[Any], object],
    batches: Iterator[Any],
    device: str,
) -> Taken:
    """Iterate until a time, at least a few times.

    Args:
        end: Of ``time.perf_counter``.
        step: One iteration on a batch.
        batches: Where they come from.
        device: Where the iteration computes.
    """
    data = next(batches)
    first = seconds_of(lambda: step(data), device)
    steps: list[float] = []
    waits: list[float] = []
    while len(steps) < _MIN_ITERATIONS or time.perf_counter() < end:
        synchronize(device)
        start = time.perf_counter()
        data = next(batches)
        waits.append(time.perf_counter() - start)
        steps.append(seconds_of(partial(step, data), device))
    return Taken(first, steps, waits)


def build(
    cfg: Config, method: str, variant: Variant, device: str
) -> tuple[BaseModel, OptimWrapper]:
    """A method with its optimizers, as a runner would have them.

    Args:
        cfg: A training config; network and optimizers are its.
        method: One of ``METHODS``.
        variant: How networks compute.
        device: Where they are.
    """
    if method == 'MTKT':
        config = method_config(cfg, method, target_names(TARGETS))
        optimizer = optimizers(cfg, method)
    else:
        config = ConfigDict(method_configs(cfg)[method])
        optimizer = optimizer_config(cfg, method)
    model = MODELS.build(config)
    model.init_weights()
    model = revert_sync_batchnorm(model).to(device).train()
    lay_out(model, variant.precision)
    wrapper = build_optim_wrapper(
        model, optimizers_in(variant.precision, optimizer)
    )
    options = compile_options(variant.compilation)
    for player in (
        player_optim_wrappers(wrapper) if options is not None else ()
    ):
        compile_network(getattr(model, player), options)
    return model, wrapper


def loader_config(cfg: Config, method: str) -> dict[str, Any]:
    """The config's loader, with as many targets as the method has."""
    loader = copy.deepcopy(cfg.train_dataloader)
    loader.collate_fn = dict(type='domain_collate')
    target = loader.dataset.get('target')
    if method == 'MTKT' and target:
        del loader.dataset['target']
        names = target_names(TARGETS)
        loader.dataset.targets = dict.fromkeys(names, target)
    return loader
