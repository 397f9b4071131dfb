# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Choosing stages by name."""

from mmuda.utils.errors import ConfigError

from .stages import Step


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
