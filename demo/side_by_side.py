# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Methods of the demo in processes of their own, and how these end."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from demo.runs import (
    DemoSettings,
    finished,
    method_folder,
    needed_methods,
    result_of,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import (
    Command,
    ending_of,
    run_side_by_side,
    was_stopped,
)
from mmuda.utils.threads import shared_among, usable_cores

_REMEDY = 'run one method at a time, with --method'


def run_methods(
    settings: DemoSettings, command: Callable[[str], Command]
) -> dict[str, dict]:
    """Train and test all methods, those side by side that need no others.

    A small network gains little from a second thread.

    Args:
        settings: What the demo does.
        command: Gives what trains and tests a method, by its name.

    Returns:
        What :func:`run_method` gives, by the method's name.

    Raises:
        KeyboardInterrupt: A training was stopped; it can be continued.
        ConfigError: A method did not get to its end.
    """
    threads = threads_of_each(settings)
    for names in _waves(settings):
        left = [name for name in names if finished(settings, name) is None]
        for name in names:
            if name not in left:
                folder = method_folder(settings, name)
                print(f'{name}: done before, see {folder}', flush=True)
        commands = [command(name) for name in left]
        codes = run_side_by_side(
            [
                replace(c, environment={**threads, **c.environment})
                for c in commands
            ]
        )
        _require_success(left, codes)
    return {name: result_of(settings, name) for name in settings.configs}


def threads_of_each(settings: DemoSettings) -> dict[str, str]:
    """Variables for the threads of a method, whichever run beside it.

    Another number of threads rounds differently, so it must not depend on
    how many methods are left.

    Args:
        settings: What the demo does.
    """
    return shared_among(max(map(len, _waves(settings))))


def _require_success(names: Sequence[str], codes: Sequence[int]) -> None:
    """Raise what methods that did not get to their end ask for."""
    if any(map(was_stopped, codes)):
        raise KeyboardInterrupt
    ends = [
        f'{name} {ending_of(code, "see above", _REMEDY)}'
        for name, code in zip(names, codes, strict=True)
        if code
    ]
    if ends:
        raise ConfigError('; '.join(ends))


def _waves(settings: DemoSettings) -> list[list[str]]:
    """Each method in the first wave after all that it needs."""
    needs = {name: needed_methods(settings, name) for name in settings.configs}
    waves: list[list[str]] = []
    while needs:
        wave = [n for n in needs if not any(o in needs for o in needs[n])]
        if not wave:
            names = ', '.join(needs)
            raise ConfigError(f'{names}: these start from each other')
        waves.append(wave)
        needs = {n: o for n, o in needs.items() if n not in wave}
    # With one core they only take turns.
    if usable_cores() == 1:
        return [[name] for names in waves for name in names]
    return waves
