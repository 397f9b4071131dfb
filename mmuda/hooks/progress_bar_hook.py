# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A progress bar for training in a terminal."""

import atexit
import logging
import sys

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mmuda.registry import HOOKS


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show iteration, remaining time and losses below the log lines.

    Only the main process shows it, and only if the output is a terminal;
    elsewhere the log lines hold the same.

    Args:
        force: Treat the output as a terminal in any case.
    """

    priority = 'LOWEST'

    def __init__(self, force: bool = False) -> None:
        self.force = force
        self._progress: Progress | None = None
        self._streams: dict[logging.StreamHandler, object] = {}

    def before_train(self, runner: Runner) -> None:
        """Start the bar."""
        if not is_main_process() or not (self.force or sys.stdout.isatty()):
            return
        self._progress = Progress(
            TextColumn('training'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            TextColumn('{task.fields[losses]}'),
            console=Console(force_terminal=self.force or None),
        )
        self._task = self._progress.add_task(
            'train', total=runner.max_iters, completed=runner.iter, losses=''
        )
        logged_to = sys.stdout
        self._progress.start()
        # The terminal must have its cursor back after an error, too.
        atexit.register(self._stop)
        # Log lines have to pass through the stream that makes room for them.
        for handler in runner.logger.handlers:
            if getattr(handler, 'stream', None) is logged_to:
                self._streams[handler] = handler.setStream(sys.stdout)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the bar."""
        if self._progress is not None:
            losses = ' '.join(
                f'{name} {float(value):.3f}'
                for name, value in (outputs or {}).items()
                if name.startswith('loss')
            )
            self._progress.update(
                self._task, completed=runner.iter + 1, losses=losses
            )

    def after_train(self, runner: Runner) -> None:
        """Remove the bar."""
        self._stop()

    def _stop(self) -> None:
        atexit.unregister(self._stop)
        while self._streams:
            handler, stream = self._streams.popitem()
            handler.setStream(stream)
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
