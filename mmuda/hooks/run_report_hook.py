# Copyright (c) mmuda authors.
"""A page about a training, once it ends."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmuda.registry import HOOKS
from mmuda.reports.run_environment import (
    describe_environment,
    write_environment,
)
from mmuda.reports.run_history import NothingLoggedError
from mmuda.reports.run_report import write_report
from mmuda.utils.errors import MMUDAError
from mmuda.utils.files import logs_may_fail


@HOOKS.register_module()
class RunReportHook(Hook):
    """Write ``report.html`` into the work directory.

    It shows the curves of all runs that the training went through, IoU by
    class, pictures, pseudo-labels, the harm report if there is one, config
    and versions. ``tools/analysis_tools/report.py`` writes the same page, of
    a training that goes on as well. A page that can't be made is a warning.
    """

    # After the harm report, which is part of the page.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._trained = False

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Note with what the run is done."""
        self._trained = True
        content = describe_environment(runner.seed, runner.iter)
        with logs_may_fail():
            write_environment(Path(runner.log_dir), content)

    @master_only
    def after_run(self, runner: Runner) -> None:
        """Write the page, also of a run that was stopped by a signal."""
        if not self._trained:
            return
        self._trained = False
        # Matplotlib's parser keeps frames of handled errors; see
        # TrainingCurveHook.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_write, Path(runner.work_dir)).result()


def _write(work_dir: Path) -> None:
    try:
        with logs_may_fail():
            print_log(f'Report: {write_report(work_dir)}', 'current')
    except NothingLoggedError:
        # As after Ctrl-C in its first iterations; no fault of the user's.
        print_log('No report, as no iteration was logged yet', 'current')
    except MMUDAError as error:
        print_log(f'No report: {error}', 'current', logging.WARNING)
    # Whatever it is: the training has finished, and its result stays.
    except Exception as error:
        reason = f'{type(error).__name__}: {error}'
        print_log(f'No report: {reason}', 'current', logging.WARNING)
