# Copyright (c) mmuda authors.
"""A progress bar for training in a terminal."""

import atexit
import logging
import sys
import time
from contextlib import suppress
from datetime import timedelta

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError

_WIDTH_OF_NUMBERS = 40


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show iteration, remaining time and losses below the log lines.

    Only the main process shows it, and only if the output is a terminal.
    Losses get what space the other parts leave.

    Args:
        force: Treat the output as a terminal in any case.
        line_interval: Iterations between two lines with the same content
            where the output is no terminal; 0 for none, as the lines of the
            log hold the same.

    Raises:
        ConfigError: The interval is negative.
    """

    priority = 'LOWEST'

    def __init__(self, force: bool = False, line_interval: int = 0) -> None:
        if line_interval < 0:
            raise ConfigError(
                f'ProgressBarHook: line_interval={line_interval} must not be '
                'negative'
            )
        self.force = force
        self.line_interval = line_interval
        self._shows_lines = False
        self._progress: Progress | None = None
        self._streams: dict[logging.StreamHandler, object] = {}

    def before_train(self, runner: Runner) -> None:
        """Start the bar."""
        if not is_main_process():
            return
        if not (self.force or sys.stdout.isatty()):
            self._shows_lines = self.line_interval > 0
            self._start = runner.iter, time.monotonic()
            return
        self._progress = progress_bar(
            Console(force_terminal=self.force or None)
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
        done = runner.iter + 1
        if self._progress is not None:
            self._progress.update(
                self._task, completed=done, losses=_losses(outputs)
            )
        elif self._shows_lines and (
            done % self.line_interval == 0 or done == runner.max_iters
        ):
            first, start = self._start
            rate = (time.monotonic() - start) / (done - first)
            left = timedelta(seconds=round(rate * (runner.max_iters - done)))
            losses = _losses(outputs)
            print(
                f'{left} left {done}/{runner.max_iters} {losses}', flush=True
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
            # A closed terminal must not keep the run from saving.
            with suppress(OSError):
                self._progress.stop()
            self._progress = None


def progress_bar(console: Console) -> Progress:
    """Lay out a bar: remaining time, iterations, bar and losses.

    Its tasks have a field ``losses``, which is cut where the line ends.

    Args:
        console: Its width decides about that of the bar.
    """

    def whole() -> Column:
        return Column(no_wrap=True)

    bar = min(40, max(4, (console.width - _WIDTH_OF_NUMBERS) // 4))
    rest = Column(ratio=1, no_wrap=True, overflow='ellipsis')
    return Progress(
        TimeRemainingColumn(table_column=whole()),
        TextColumn('left', table_column=whole()),
        MofNCompleteColumn(table_column=whole()),
        BarColumn(bar, table_column=whole()),
        TextColumn('{task.fields[losses]}', table_column=rest),
        console=console,
        expand=True,
    )


def _losses(outputs: dict | None) -> str:
    return ' '.join(
        f'{name} {float(value):.3f}'
        for name, value in (outputs or {}).items()
        if name.startswith('loss')
    )
