# Copyright (c) mmuda authors.
"""Stopping a run without losing what it has learned."""

import atexit
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import torch
from mmengine.dist import all_reduce, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmuda.engine.checkpoint import accumulation_period
from mmuda.engine.loops import UDATrainLoop, ValidationStopped
from mmuda.engine.multi_target_loops import dataloaders_of
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError
from mmuda.utils.signals import hangup_to_handle

from .checkpoint_hook import UDACheckpointHook

_STDERR = 2


@HOOKS.register_module()
class GracefulStopHook(Hook):
    """Save a checkpoint and end training when a signal asks to stop.

    The running iteration is finished first, and with gradient accumulation
    the iterations that belong to the same step. A validation is left at once
    (under ``UDATrainLoop``). All processes stop after the
    same iteration, whichever of them got the signal. Loader processes ignore
    the signals, so that they may be sent to the whole process group, as a
    terminal (Ctrl-C) and Slurm do. A second signal interrupts at once.

    Args:
        signals: Names of the signals; ``SIGHUP`` comes from a terminal that
            was closed, and is left ignored if ``nohup`` has asked for that.
            Clusters that warn before the time is up often send ``SIGUSR1``.
        sync_interval: With several processes, they ask each other for a
            signal every so many iterations.
        repeat_seconds: A signal that follows the first within this time is
            not a second one: launchers pass on the signal that their
            processes have got already.

    Attributes:
        received_signal: Number of the signal received, or None.

    Raises:
        ConfigError: A signal is unknown, or there is no
            ``UDACheckpointHook``.
    """

    priority = 'LOWEST'

    def __init__(
        self,
        signals: Sequence[str] = ('SIGINT', 'SIGTERM', 'SIGHUP'),
        sync_interval: int = 10,
        repeat_seconds: float = 3.0,
    ) -> None:
        # Windows has none, and a config is for any system.
        unknown = set(signals) - set(signal.Signals.__members__) - {'SIGHUP'}
        if unknown:
            raise ConfigError(
                f'GracefulStopHook.signals: no such signal {sorted(unknown)}'
            )
        self.signals = [
            signal.Signals[name]
            for name in signals
            if name != 'SIGHUP' or hangup_to_handle() is not None
        ]
        self.sync_interval = sync_interval
        self.repeat_seconds = repeat_seconds
        self.received_signal: int | None = None
        self._received_at = 0.0
        self._training = multiprocessing.Value('b', False, lock=False)
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Catch the signals.

        Raises:
            ConfigError: There is no ``UDACheckpointHook``.
        """
        self._checkpoint_hook = _find_checkpoint_hook(runner)
        self._period = self._interval = accumulation_period(
            runner.optim_wrapper
        )
        if is_distributed():
            self._interval = math.lcm(self._period, self.sync_interval)
        # Python allows handlers in the main thread only.
        if threading.current_thread() is not threading.main_thread():
            return
        self._training.value = True
        # After an error there is no after_train.
        atexit.register(setattr, self._training, 'value', False)
        loaders = dataloaders_of(runner.val_loop)
        for loader in [runner.train_dataloader, *loaders]:
            _shield_workers(loader, self.signals, self._training)
        for number in self.signals:
            self._previous_handlers[number] = signal.signal(
                number, self._receive
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Save and stop if any process has got a signal."""
        finished = runner.iter + 1
        if finished % self._interval == 0:
            self._stop_if_asked(runner, finished)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Save and leave the validation of a training that shall stop."""
        every = self.sync_interval if is_distributed() else 1
        if (
            not self._training.value
            or not isinstance(runner.train_loop, UDATrainLoop)
            or (batch_idx + 1) % every
            or runner.iter % self._period
        ):
            return
        if self._stop_if_asked(runner, runner.iter):
            raise ValidationStopped

    def _stop_if_asked(self, runner: Runner, finished: int) -> bool:
        number = _largest(self.received_signal or 0)
        if number == 0:
            return False
        self._checkpoint_hook.save_now(runner, finished)
        runner.logger.info(
            f'{signal.Signals(number).name}: stopped after iteration '
            f'{finished}; checkpoint {self._checkpoint_hook.last_ckpt}'
        )
        runner.train_loop.stop_training = True
        return True

    def after_train(self, runner: Runner) -> None:
        """Give the signals back to whoever handled them before."""
        self._training.value = False
        self._restore_handlers()

    def _receive(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if self.received_signal is None:
            self.received_signal = number
            self._received_at = now
            # A handler may interrupt a print, so it must not print itself;
            # and the terminal may be gone.
            with suppress(OSError):
                os.write(
                    _STDERR,
                    b'\nStopping after this iteration; repeat to stop at '
                    b'once\n',
                )
        elif now - self._received_at > self.repeat_seconds:
            self._restore_handlers()
            raise KeyboardInterrupt

    def _restore_handlers(self) -> None:
        while self._previous_handlers:
            number, handler = self._previous_handlers.popitem()
            # None: it was not installed from Python and can't be put back.
            signal.signal(
                number, signal.SIG_DFL if handler is None else handler
            )


def _find_checkpoint_hook(runner: Runner) -> UDACheckpointHook:
    for hook in runner.hooks:
        if isinstance(hook, UDACheckpointHook):
            return hook
    raise ConfigError(
        "GracefulStopHook needs default_hooks.checkpoint=dict(type='"
        "UDACheckpointHook')"
    )


def _largest(number: int) -> int:
    """Maximum of a number over all processes."""
    values = torch.tensor([number])
    all_reduce(values, op='max')
    return int(values)


def _shield_workers(
    loader: DataLoader,
    signals: Sequence[signal.Signals],
    training: Synchronized,
) -> None:
    loader.worker_init_fn = partial(
        _ignore_signals, tuple(signals), training, loader.worker_init_fn
    )


def _ignore_signals(
    signals: Sequence[signal.Signals],
    training: Synchronized,
    then: Callable[[int], None] | None,
    worker_id: int,
) -> None:
    def leave_unless_training(number: int, frame: Any) -> None:
        # Python ends idle workers by SIGTERM when the main process exits; a
        # worker that ignored this one, too, would keep it waiting forever.
        # Any code but 0 counts as a failure of the worker.
        if not training.value:
            os._exit(0)

    for number in signals:
        signal.signal(number, leave_unless_training)
    if then is not None:
        then(worker_id)
