# Copyright (c) mmuda authors.
"""What the commands of all procedures have in common."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

from mmuda.datasets.sets.data_roots import require_data_roots
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.locks import is_locked, only_writer

from .costs import measure_costs, plan_table
from .execution import (
    Devices,
    Executor,
    choose_steps,
    require_first_inputs,
    visible_gpus,
)
from .stage import Procedure, Step
from .state import ProcedureState, require_same_recipe, status_table


def add_choice_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the options that choose stages, or only look at them.

    Args:
        parser: Of a tool.
        example: Names of a stage and of a group of stages.
    """
    parser.add_argument(
        '--stage',
        action='append',
        metavar='NAME',
        help=f'run only this stage or group of stages, such as {example} '
        '(--dry-run lists them); may be repeated',
    )
    parser.add_argument(
        '--from',
        dest='first',
        metavar='NAME',
        help='begin with this stage or group, whose inputs must be there',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print the plan, with times and disk space if the data is '
        'there; run nothing',
    )
    parser.add_argument(
        '--status', action='store_true', help='print how far the stages are'
    )


def check_processes(args: argparse.Namespace, gpus: int) -> None:
    """Refuse numbers of processes that there is no place for.

    Args:
        args: ``processes``, and perhaps ``train_processes``.
        gpus: That are visible.

    Raises:
        ConfigError: There are too few GPUs, or processes.
    """
    if 0 < gpus < args.processes:
        raise ConfigError(
            f'--processes {args.processes}: there are {gpus} GPU(s) '
            '(CUDA_VISIBLE_DEVICES), and each process needs one'
        )
    trained = getattr(args, 'train_processes', args.processes)
    if trained > args.processes:
        raise ConfigError(
            f'--train-processes {trained}: at most --processes '
            f'{args.processes}'
        )


def _nothing(*_: object) -> None:
    """For commands that have nothing to write before they begin."""


@dataclass(frozen=True)
class ProcedureCommand:
    """A procedure that a user wants to run, or to look at.

    Attributes:
        procedure: The algorithm.
        tools: Folder of the tools.
        identity: All that the results depend on, by the name to tell.
        check_configs: Finds what is wrong without data.
        check_data: Finds what is wrong with data before hours of training.
        report: Tells what came out; gets the state and the exit code.
        prepare: Writes what the first stages read.
        processes: In all.
        train_processes: Of each training.
        options: Further arguments by tool.
    """

    procedure: Procedure
    tools: Path
    identity: Callable[[], dict]
    check_configs: Callable[[], None]
    check_data: Callable[[], None]
    report: Callable[[Console, ProcedureState, int], None]
    prepare: Callable[[], None] = _nothing
    processes: int = 1
    train_processes: int = 1
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self, args: argparse.Namespace) -> int:
        """Run the stages that are left, or show them.

        Args:
            args: Of :func:`add_choice_options`.

        Returns:
            Exit code.
        """
        procedure, work_dir = self.procedure, self.procedure.work_dir
        steps = choose_steps(procedure.steps(), args.stage, args.first)
        # Tables are wider than the 80 columns that a file would get.
        console = Console(width=max(Console().width, 110), markup=False)
        if args.status:
            state, running = ProcedureState(work_dir), is_locked(work_dir)
            table = status_table(procedure.steps(), state, running)
            console.print(table)
            return 0
        identity = self.identity()
        self.check_configs()
        if args.dry_run:
            self._show_plan(console, steps)
            return 0
        self._require_data(steps)
        require_first_inputs(steps[0])
        with only_writer(work_dir=work_dir):
            require_same_recipe(work_dir, identity)
            self.prepare()
            state = ProcedureState(work_dir)
            code = self._run_steps(console, steps, state)
            self.report(console, state, code)
            return code

    def _require_data(self, steps: Sequence[Step]) -> None:
        """Find what is wrong with data, missing folders of all of it first."""
        left = [
            self.procedure.config_of(stage)
            for step in steps
            for stage in step
            if stage.is_training and not stage.is_done
        ]
        require_data_roots(*left)
        self.check_data()

    def _show_plan(self, console: Console, steps: Sequence[Step]) -> None:
        costs, reason = None, ''
        try:
            self._require_data(steps)
            costs = measure_costs(self.procedure.measured())
        except DataError as error:
            reason = f'Without times and disk space: {error}'
        state = ProcedureState(self.procedure.work_dir)
        console.print(plan_table(self.procedure, steps, state, costs))
        if reason:
            console.print(reason, markup=False)

    def _run_steps(
        self, console: Console, steps: Sequence[Step], state: ProcedureState
    ) -> int:
        """Run steps until one stops."""
        executor = Executor(
            self.tools,
            state,
            Devices(self.processes, visible_gpus(torch.cuda.device_count())),
            dict(self.options),
            lambda line: console.print(line, markup=False),
            self.train_processes,
        )
        for number, step in enumerate(steps):
            names = ', '.join(stage.heading for stage in step)
            title = f'[{number + 1}/{len(steps)}] {names}'
            if all(stage.is_done for stage in step):
                for stage in step:
                    state.confirm(stage)
                console.print(f'{title}: done before', markup=False)
                continue
            console.print(title, markup=False)
            code = executor.run(step)
            if code:
                # Other codes are those of signals.
                word = 'failed; mend it:' if 0 < code < 128 else 'stopped;'
                title = f'{title}: {word} the same command continues'
                console.print(title, markup=False)
                return code
        return 0
