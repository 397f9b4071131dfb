# Copyright (c) mmuda authors.
"""Training and testing all runs of an experiment, as many as there is place.

The tools are those that a user types; what they print is in the folders.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from experiments.command_lines import test_command, training_command
from experiments.progress import Work, remaining_seconds, seconds_each
from experiments.recipes import roots_of
from experiments.run_records import Run, Status
from experiments.table_values import main_metric
from mmuda.procedures.state import duration
from mmuda.utils.errors import DataError
from mmuda.utils.json_files import read_plain_file
from mmuda.utils.processes import (
    Job,
    ending_of,
    run_queue,
    was_stopped,
)

_TRAIN, _TEST = 'train', 'test'
Changed = Literal['refuse', 'rerun', 'keep']


@dataclass
class Runner:
    """Runs what is left of an experiment.

    Attributes:
        tools: Folder of the tools.
        runs: All, each after those that it starts from.
        data_roots: Folders of the data sets by name.
        places: Variables of each place, see :func:`run_queue`.
        threads: Of each training, to note.
        keep: Checkpoints to keep along the way; None as the configs say.
        changed: What becomes of runs whose recipe has changed.
        tell: Shows a line.
        failed: What did not get to its end, and why.
    """

    tools: Path
    runs: Sequence[Run]
    data_roots: Mapping[str, str]
    places: Sequence[Mapping[str, str]]
    threads: int
    keep: int | None
    changed: Changed
    tell: Callable[[str], None]
    failed: dict[str, str] = field(default_factory=dict)
    _left: dict[str, Run] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)

    def statuses(self) -> dict[str, Status]:
        """How far each run is, by name.

        One whose checkpoint is gone is done again if others start from it.
        """
        found = {run.name: run.status() for run in self.runs}
        for run in reversed(self.runs):
            start = run.start
            if (
                start is not None
                and found[run.name] in ('begun', 'new')
                and found[start.name] == 'finished'
                and not start.checkpoint.is_file()
            ):
                found[start.name] = 'begun'
        return found

    def commands(self, run: Run, status: Status) -> list[Job]:
        """What is left of a run.

        Args:
            run: That is not finished.
            status: How far it is.
        """
        roots = roots_of(run.recipe.row, self.data_roots)
        test = test_command(self.tools, run.recipe, run.folder, roots)
        if status == 'trained':
            return [Job(f'{run.name}/{_TEST}', test)]
        begun, start = run.begun(), run.start
        train = training_command(
            self.tools,
            run.recipe,
            run.folder,
            run.seed,
            run.precision,
            None if start is None else start.checkpoint,
            roots,
            begun['keep'] if begun else self.keep,
        )
        needs = [] if start is None else [f'{start.name}/{_TRAIN}']
        return [
            Job(f'{run.name}/{_TRAIN}', train, needs),
            Job(f'{run.name}/{_TEST}', test, [f'{run.name}/{_TRAIN}']),
        ]

    def run(self) -> None:
        """Run what is left; ``failed`` tells what did not succeed.

        Raises:
            KeyboardInterrupt: A signal came; all trainings have saved.
        """
        jobs: list[Job] = []
        statuses = self.statuses()
        for run in self.runs:
            status = self._settled(run, statuses[run.name])
            if status == 'finished':
                self.tell(f'{run.name}: done before')
            elif status != 'changed':
                self._left[run.name] = run
                jobs += self.commands(run, status)
        jobs = self._without_refused(jobs)
        codes = run_queue(jobs, self.places, self._started, self._ended)
        for run in self._left.values():
            if f'{run.name}/{_TRAIN}' not in codes and run.start is not None:
                self.failed.setdefault(
                    run.name, f'not run, as {run.start.name} is not trained'
                )

    def _settled(self, run: Run, status: Status) -> Status:
        """Do as the user says with a run that has changed."""
        if status != 'changed':
            return status
        text = f'its recipe is another one ({run.changes()})'
        if self.changed == 'rerun':
            self.tell(f'{run.name}: removed, since {text}')
            run.remove()
            return 'new'
        if self.changed == 'keep' and run.result() is not None:
            self.tell(f'{run.name}: kept, though {text}')
            return 'finished'
        self.failed[run.name] = (
            f'refused, since {text}: --changed rerun begins it anew, '
            '--changed keep takes a result as it is'
        )
        return 'changed'

    def _without_refused(self, jobs: list[Job]) -> list[Job]:
        """Leave out what starts from runs that are refused."""
        for run in self.runs:
            start = run.start
            if start is not None and start.name in self.failed:
                self._left.pop(run.name, None)
                self.failed.setdefault(
                    run.name, f'not run, as {start.name} is refused'
                )
        return [job for job in jobs if _run_of(job.name) in self._left]

    def _started(self, name: str) -> None:
        run = self._left[_run_of(name)]
        if name.endswith(_TRAIN):
            begun = run.begun()
            run.begin(self.keep, self.threads)
            self._began[run.name] = time.monotonic()
            word = 'goes on' if begun else 'begins'
            text = f'{word} ({run.recipe.iterations} iterations)'
            self.tell(f'{run.name}: {text}; {self._outlook()}')

    def _ended(self, name: str, code: int, seconds: float) -> None:
        run = self._left[_run_of(name)]
        if name.endswith(_TRAIN):
            run.add_training(code, seconds)
            if code == 0 and not run.checkpoint.is_file():
                self._fail(run, f'has left no {run.recipe.checkpoint}')
        if code == 0 and name.endswith(_TEST):
            self._finish(run)
        elif was_stopped(code):
            self.tell(f'{run.name}: stopped; the same command continues it')
            self.failed[run.name] = 'stopped'
        elif code:
            kind = name.rpartition('/')[2]
            log = run.folder / f'{kind}.log'
            ending = ending_of(code, f'see {log}', 'take fewer --processes')
            self._fail(run, f'{ending}: {last_line(log)}')

    def _finish(self, run: Run) -> None:
        try:
            result = run.finish()
        except DataError as error:
            self._fail(run, str(error))
            return
        self._left.pop(run.name)
        name, value = main_metric(result['metrics'])
        self.tell(
            f'{run.name}: {name} {value:.2f} after '
            f'{duration(result["seconds"])} of training; {self._outlook()}'
        )

    def _fail(self, run: Run, reason: str) -> None:
        self.failed[run.name] = reason
        self.tell(f'{run.name}: failed, {reason}; {self._outlook()}')

    def _outlook(self) -> str:
        """How many runs are left, and for how long."""
        left = {
            name: run
            for name, run in self._left.items()
            if name not in self.failed
        }
        known = [
            (run.row, result['seconds'] / result['iterations'])
            for run in self.runs
            if (result := run.result()) is not None
        ]
        now = time.monotonic()
        works = [
            Work(
                run.row,
                run.recipe.iterations,
                now - self._began.get(name, now),
            )
            for name, run in left.items()
        ]
        seconds = remaining_seconds(
            works, seconds_each(known), len(self.places)
        )
        text = f'{len(left)} left'
        return (
            text if seconds is None else f'{text}, about {duration(seconds)}'
        )


def _run_of(job: str) -> str:
    return job.rpartition('/')[0]


def last_line(log: Path) -> str:
    """The line of a log that tells what went wrong, or its last one.

    Args:
        log: Of a tool.
    """
    try:
        text = read_plain_file(log, '').decode(errors='replace')
    except DataError:
        return 'it has said nothing'
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(('error', 'stopped'))]
    return (errors or lines or ['it has said nothing'])[-1]
