# Copyright (c) mmuda authors.
"""Logging on a disk that may be full."""

from pathlib import Path

from mmengine import hooks
from mmengine.runner import Runner

from mmuda.registry import HOOKS
from mmuda.utils.files import logs_may_fail


@HOOKS.register_module()
class LoggerHook(hooks.LoggerHook):
    """mmengine's hook, which leaves no half file of a test's metrics.

    Arguments are those of mmengine's. A training that is shorter than
    ``interval`` logs its last iteration.
    """

    interval: int

    def before_train(self, runner: Runner) -> None:
        """Shorten the interval to the length of the training."""
        self.interval = min(self.interval, runner.max_iters)

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Log the metrics, and write them if there is space."""
        with logs_may_fail():
            try:
                super().after_test_epoch(runner, metrics)
            except OSError:
                path = Path(runner.log_dir, self.json_log_path)
                path.unlink(missing_ok=True)
                raise
