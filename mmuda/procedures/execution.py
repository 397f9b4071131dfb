# Copyright (c) mmuda authors.
"""Choosing the stages that are left and running them."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmuda.utils.config import config_text
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_path, atomic_write
from mmuda.utils.locks import LOCK
from mmuda.utils.processes import Command, run_side_by_side

from .stage import Stage, Step
from .state import ProcedureState


@dataclass(frozen=True)
class Devices:
    """What stages run on.

    Attributes:
        processes: Of a stage that runs alone.
        gpus: Their names as CUDA_VISIBLE_DEVICES has them; none on CPUs.
    """

    processes: int = 1
    gpus: tuple[str, ...] = ()

    def split(self, count: int) -> list['Devices']:
        """Share them among stages that run side by side.

        Args:
            count: Number of stages.

        Returns:
            One part for each stage; all devices, one stage after the other,
            if there are fewer than stages: then the list has one entry.
        """
        if count == 1 or self.processes < count:
            return [self]
        bounds = [self.processes * k // count for k in range(count + 1)]
        return [
            Devices(end - begin, self.gpus[begin:end])
            for begin, end in zip(bounds, bounds[1:], strict=False)
        ]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that restrict a stage to these devices."""
        if not self.gpus:
            return {}
        return {'CUDA_VISIBLE_DEVICES': ','.join(self.gpus)}


@dataclass(frozen=True)
class Executor:
    """Runs the stages of a procedure.

    Attributes:
        tools: Folder of the tools.
        state: Notes what happens.
        devices: What to run on.
        options: Further arguments by tool.
        tell: Shows a line.
        train_processes: Of each training, not more than the devices have.
            Each has a batch of its own, so that results depend on it;
            trainings that can't have so many side by side wait for each
            other.
    """

    tools: Path
    state: ProcedureState
    devices: Devices
    options: dict[str, tuple[str, ...]]
    tell: Callable[[str], None]
    train_processes: int = 1

    def run(self, step: Step) -> int:
        """Run what is left of a step.

        Returns:
            0, or the exit code of the first stage that did not finish.
        """
        for stage in step:
            self.state.confirm(stage)
        left = [stage for stage in step if not stage.is_done]
        for stage in left:
            require_inputs(stage)
        for stage in left:
            if stage.has_no_images:
                self._skip(stage)
        todo = [stage for stage in left if not stage.is_done]
        parts = self.devices.split(len(todo)) if todo else []
        if len(parts) == len(todo) and self._suffice(todo, parts):
            return self._run(todo, parts, step)
        for stage in todo:
            code = self._run([stage], [self.devices], step)
            if code:
                return code
        return 0

    def _suffice(
        self, stages: Sequence[Stage], parts: Sequence[Devices]
    ) -> bool:
        """Whether each training can have its processes."""
        return all(
            part.processes >= self.train_processes
            for stage, part in zip(stages, parts, strict=True)
            if stage.work
        )

    def _run(
        self, stages: Sequence[Stage], devices: list[Devices], step: Step
    ) -> int:
        if not stages:
            return 0
        commands = [
            self._command(stage, part, len(stages) > 1)
            for stage, part in zip(stages, devices, strict=True)
        ]
        for stage, command in zip(stages, commands, strict=True):
            self.state.start(stage)
            # One that is its whole step has been named by it.
            if len(step) > 1:
                where = f' (output: {command.log})' if command.log else ''
                self.tell(f'{stage.heading}{where}')
        start = time.monotonic()
        told = [_size(command.log) for command in commands]
        codes = run_side_by_side(commands)
        seconds = time.monotonic() - start
        for stage, code, command, before in zip(
            stages, codes, commands, told, strict=True
        ):
            for line in _warnings(command.log, before):
                self.tell(f'{stage.heading}: {line}')
            if code == 0 and stage.result.is_file():
                _mark(stage)
            elif command.log is not None:
                self.tell(f'{stage.name}: {command.log} tells why it ended')
            status = 'done' if stage.is_done else 'stopped'
            self.state.stop(stage, status, seconds)
        unfinished = [
            code or 1
            for stage, code in zip(stages, codes, strict=True)
            if code or not stage.is_done
        ]
        return unfinished[0] if unfinished else 0

    def _skip(self, stage: Stage) -> None:
        """Take the result of an earlier stage for that of this one."""
        assert stage.fallback is not None, 'as of has_no_images'
        self.tell(
            f'warning: {stage.name} has no image, as no cycle selected any; '
            f'{stage.fallback} takes its place'
        )
        self.state.start(stage)
        if stage.result.name == stage.fallback.name:
            shutil.copytree(
                stage.fallback.parent,
                stage.folder,
                # the file that makes a folder a finished one comes last
                ignore=shutil.ignore_patterns(stage.result.name, LOCK),
                dirs_exist_ok=True,
            )
        with atomic_path(stage.result) as temporary:
            shutil.copyfile(stage.fallback, temporary)
        _mark(stage)
        self.state.stop(stage, 'skipped', 0.0)

    def _command(
        self, stage: Stage, devices: Devices, together: bool
    ) -> Command:
        if stage.config is not None:
            assert stage.config_file is not None, 'configs are read as files'
            atomic_write(stage.config_file, config_text(stage.config()))
        processes = devices.processes
        if not stage.distributed:
            processes = self.train_processes if stage.work else 1
        log = None
        if together:
            # Two progress bars in one terminal can't be read.
            log = stage.folder.with_name(f'{stage.folder.name}.log')
        return Command(
            self.tools / stage.tool,
            (*stage.arguments, *self.options.get(stage.tool, ())),
            processes,
            devices.environment,
            log,
        )


def _mark(stage: Stage) -> None:
    if stage.marker is not None:
        atomic_write(stage.marker, '')


def _size(log: Path | None) -> int:
    return log.stat().st_size if log is not None and log.exists() else 0


def _warnings(log: Path | None, begin: int) -> list[str]:
    """Lines of a log file that the user would otherwise have seen."""
    if log is None or not log.exists():
        return []
    with log.open(errors='replace') as file:
        file.seek(begin)
        return [line.rstrip() for line in file if line.startswith('warning:')]


def require_inputs(stage: Stage) -> None:
    """Refuse a stage before those that it depends on.

    Args:
        stage: That is to run.

    Raises:
        ConfigError: A file that it uses is missing.
    """
    for value in stage.uses.values():
        for file in value if isinstance(value, list) else [value]:
            if isinstance(file, Path) and not file.is_file():
                raise ConfigError(
                    f"{stage.name} needs '{file}'; run the stages before it "
                    'first (--dry-run lists them)'
                )


def require_first_inputs(step: Step) -> None:
    """Refuse a first step whose inputs are missing, before files change.

    Args:
        step: That is to run first.

    Raises:
        ConfigError: A file that it uses is missing.
    """
    for stage in step:
        # its lists are written at the start
        if stage.tool != 'translate_lab.py' and not stage.is_done:
            require_inputs(stage)


def visible_gpus(count: int) -> tuple[str, ...]:
    """Names of the GPUs that may be used.

    Args:
        count: Of GPUs in the machine that are visible.
    """
    listed = os.environ.get('CUDA_VISIBLE_DEVICES')
    if listed:
        return tuple(listed.split(','))[:count]
    return tuple(map(str, range(count)))


def choose_steps(
    steps: list[Step], stages: list[str] | None, first: str | None
) -> list[Step]:
    """Steps that a user asks for.

    Args:
        steps: All steps.
        stages: Names of stages or groups of stages to run; None for all.
        first: The stage or group to begin with; None for the first.

    Raises:
        ConfigError: There is no such stage.
    """
    names = [stage.name for step in steps for stage in step]
    for option, wanted in (('--stage', stages or []), ('--from', [first])):
        for name in filter(None, wanted):
            if not any(_belongs(other, name) for other in names):
                groups = dict.fromkeys(other.split('/')[0] for other in names)
                raise ConfigError(
                    f'{option} {name}: no such stage; there are '
                    f'{", ".join(groups)} (--dry-run lists all)'
                )
    if first:
        begin = next(
            number
            for number, step in enumerate(steps)
            if any(_belongs(stage.name, first) for stage in step)
        )
        steps = steps[begin:]
    if stages:
        steps = [
            tuple(
                stage
                for stage in step
                if any(_belongs(stage.name, name) for name in stages)
            )
            for step in steps
        ]
    return [step for step in steps if step]


def _belongs(name: str, group: str) -> bool:
    return name == group or name.startswith(group.rstrip('/') + '/')
