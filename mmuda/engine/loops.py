# Copyright (c) mmuda authors.
"""Training loop that resumes in seconds."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mmengine.dataset import InfiniteSampler, pseudo_collate
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmuda.models.followers import TEACHER
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS, LOOPS
from mmuda.utils.errors import ConfigError

from .checkpoint import accumulation_period
from .divergence import DivergenceWatch
from .history import bound_history, kept_for_log


class ValidationStopped(Exception):
    """Raised by a hook to leave a validation within training."""


@LOOPS.register_module()
class UDATrainLoop(IterBasedTrainLoop):
    """Iteration-based loop over a sampler that can jump.

    mmengine 0.10.7 resumes by loading and discarding every batch that was
    already seen: hours at iteration 100,000. Here the sampler is told the
    position (``DomainInfiniteSampler.skip``); it works alike on all supported
    versions of mmengine. Samplers without ``skip`` are read from the start.
    The sampler must be infinite.

    A data set may have a ``collate_fn`` for its items, which takes the place
    of mmengine's if the config chooses none.

    Hooks that the model needs, and the config does not name, are added; see
    :func:`add_needed_hooks`.

    Of the logged values only the last are kept, and means of the losses
    before them; see :func:`bound_history`.

    Args:
        *args: As of mmengine's ``IterBasedTrainLoop``.
        nonfinite_patience: Training stops with an error after so many
            iterations in a row with a loss that is NaN or infinite; None for
            never.
        **kwargs: As of mmengine's ``IterBasedTrainLoop``.

    Raises:
        ConfigError: ``nonfinite_patience`` is not at least 1.
    """

    _data_changed = False
    _is_iterating = False

    def __init__(
        self, *args, nonfinite_patience: int | None = 3, **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        self.divergence = DivergenceWatch(nonfinite_patience)
        add_needed_hooks(self.runner)
        model = unwrap(self.runner.model)
        model.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        # mmengine 0.10.7 starts the loader processes here. They would keep a
        # copy of the data set from before the hooks' ``before_run``.
        self.dataloader_iterator = None
        self.dataloader._iterator = None
        sampler = self.dataloader.sampler
        if isinstance(sampler, InfiniteSampler):
            # Its generator has ended with them.
            sampler.indices = sampler._indices_of_rank()
        chosen = self.dataloader.collate_fn
        own = getattr(self.dataloader.dataset, 'collate_fn', None)
        if own is not None and getattr(chosen, 'func', None) is pseudo_collate:
            self.dataloader.collate_fn = own

    def run(self) -> nn.Module:
        """Train until ``max_iters`` or until a hook asks to stop."""
        try:
            self._run()
        finally:
            end_loader_processes(self.dataloader)
            validation = self.runner._val_loop
            if isinstance(validation, BaseLoop):
                loaders = getattr(
                    validation, 'dataloaders', [validation.dataloader]
                )
                for loader in loaders:
                    end_loader_processes(loader)
        return self.runner.model

    def _run(self) -> None:
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self._announce_resume()
        if self._iter >= self._max_iters:
            # A kill may have cut off the validation after the last one.
            with self._saving_at_failures():
                self._validate()
        batches = self._unseen_batches()
        while self._iter < self._max_iters and not self.stop_training:
            with self._saving_at_failures():
                self.runner.model.train()
                batch = next(batches)
                with signal_afterwards('SIGCHLD') as handle:
                    self._is_iterating = True
                    self.run_iter(batch)
                    self._is_iterating = False
                handle()
                if self._data_changed and self._iter < self._max_iters:
                    batches = self._unseen_batches()
                self._decide_current_val_interval()
                self._validate()
        # An error that a hook handles may keep this frame for long.
        del batches
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')

    def run_iter(self, data_batch: dict) -> None:
        """One iteration; see mmengine's loop.

        Raises:
            DivergedError: The losses are no numbers any more.
        """
        runner = self.runner
        length, whole = kept_for_log(runner.log_processor)
        bound_history(runner.message_hub, max(256, length), whole)
        event = dict(batch_idx=self._iter, data_batch=data_batch)
        runner.call_hook('before_train_iter', **event)
        outputs = runner.model.train_step(
            data_batch, optim_wrapper=runner.optim_wrapper
        )
        runner.call_hook('after_train_iter', outputs=outputs, **event)
        self._iter += 1
        self.divergence.look(outputs, self._iter)

    def reload_data(self) -> None:
        """Load all samples from the next iteration on anew.

        For hooks that change files which the data set reads: loader processes
        have read some samples ahead.
        """
        self._data_changed = True

    def _validate(self) -> None:
        if not self.stop_training and self._validation_is_due():
            with suppress(ValidationStopped):
                self.runner.val_loop.run()

    @contextmanager
    def _saving_at_failures(self) -> Iterator[None]:
        """Save what is trained if data, or a process that loads it, fails.

        Of several processes the others can't take part; gradients that are
        being accumulated would be lost; and a failing iteration may have
        changed a part of the weights.
        """
        try:
            yield
        except Exception:
            period = accumulation_period(self.runner.optim_wrapper)
            between = self._iter and self._iter % period == 0
            if between and not self._is_iterating:
                with signal_afterwards('SIGCHLD') as handle:
                    self._save()
                # Says why, where a dead process was seen by its lost
                # connection first.
                handle()
            raise

    def _save(self) -> None:
        for hook in self.runner.hooks:
            if hasattr(hook, 'save_now') and not is_distributed():
                hook.save_now(self.runner, self._iter)
                print_log(
                    f'Iteration {self._iter + 1} fails; checkpoint '
                    f'{hook.last_ckpt}',
                    logger='current',
                    level=logging.WARNING,
                )

    def _validation_is_due(self) -> bool:
        return (
            self.runner.val_loop is not None
            and self._iter >= self.val_begin
            and (
                self._iter % self.val_interval == 0
                or self._iter == self._max_iters
            )
        )

    def _announce_resume(self) -> None:
        if self._iter == 0:
            return
        sampler = self.dataloader.sampler
        print_log(
            f'Continue with iteration {self._iter + 1}; '
            + (
                'the sampler jumps to its samples'
                if hasattr(sampler, 'skip')
                else f'{type(sampler).__name__} has no skip(): read all '
                'earlier batches first'
            ),
            logger='current',
            level=logging.INFO,
        )

    def _unseen_batches(self) -> Iterator[dict]:
        self._data_changed = False
        sampler = self.dataloader.sampler
        can_jump = hasattr(sampler, 'skip')
        if can_jump:
            sampler.skip(self._iter * self.dataloader.batch_size)
        batches = iter(self.dataloader)
        if not can_jump:
            for _ in range(self._iter):
                next(batches)
        return batches


def add_needed_hooks(runner: Runner) -> None:
    """Add the hooks without which a model would not train right.

    Args:
        runner: Before training. Its model may say what it needs in
            ``needed_hooks``, configs of hooks.

    Raises:
        ConfigError: One of its options is in the config of a hook, too.
    """
    for config in getattr(unwrap(runner.model), 'needed_hooks', ()):
        if not _has_hook(runner, config):
            runner.register_hook(HOOKS.build(config))
        elif len(config) > 1:
            names = ', '.join(key for key in config if key != 'type')
            raise ConfigError(
                f'{names}: given by the model and in custom_hooks, which has '
                f'a {config["type"]}; leave one of the two out'
            )


def end_loader_processes(dataloader: DataLoader) -> None:
    """End processes that wait to load more; they start again if needed.

    A runner is part of reference cycles. Processes that garbage collection
    finds with it take PyTorch five seconds each.
    """
    iterator, dataloader._iterator = dataloader._iterator, None
    if iterator is not None and hasattr(iterator, '_shutdown_workers'):
        iterator._shutdown_workers()


def require_needed_hooks(runner: Runner) -> None:
    """Refuse a training without the hooks that its model needs.

    Loops other than :class:`UDATrainLoop` do not add them.

    Args:
        runner: In training.

    Raises:
        ConfigError: One is missing.
    """
    model = unwrap(runner.model)
    for config in getattr(model, 'needed_hooks', ()):
        if not _has_hook(runner, config):
            name = config.get('teacher')
            whose = '' if name is None else f'(teacher={name!r})'
            raise ConfigError(
                f'{type(model).__name__} does not train right without '
                f'{config["type"]}{whose}: add it to custom_hooks, or set '
                "train_cfg.type='UDATrainLoop', which does"
            )


def _has_hook(runner: Runner, config: dict) -> bool:
    kind = HOOKS.get(config['type'])
    # Of several teachers each has a hook.
    teacher = config.get('teacher', TEACHER)
    return any(
        isinstance(hook, kind) and getattr(hook, 'teacher', teacher) == teacher
        for hook in runner.hooks
    )


@contextmanager
def signal_afterwards(name: str) -> Iterator[Callable]:
    """Keep a signal from interrupting the block by an exception.

    PyTorch raises one wherever the program is when a loader process dies.

    Args:
        name: Of the signal; nothing is done where the system has none.

    Yields:
        Function to call after the block; it handles the signal if it came.
    """
    received: list[tuple[int, FrameType | None]] = []
    number = getattr(signal, name, None)
    handler = None if number is None else signal.getsignal(number)

    def handle() -> None:
        if received and callable(handler):
            handler(*received[0])

    in_main = threading.current_thread() is threading.main_thread()
    if number is None or not callable(handler) or not in_main:
        yield handle
        return
    signal.signal(number, lambda *arguments: received.append(arguments))
    try:
        yield handle
    finally:
        signal.signal(number, handler)


def trains(runner: Runner) -> bool:
    """Whether a runner is about to train; also in ``before_run``.

    A config of a training that is only tested is not built.
    """
    return isinstance(getattr(runner, '_train_loop', None), BaseLoop)
