# Copyright (c) mmuda authors.
"""Methods of the demo in processes of their own, and how these end."""

from collections.abc import Callable, Mapping

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
    Job,
    ending_of,
    run_queue,
    was_stopped,
)
from mmuda.utils.threads import shared_among, usable_cores

_REMEDY = 'run one method at a time, with --method'


def run_methods(
    settings: DemoSettings, command: Callable[[str], Command]
) -> dict[str, dict]:
    """Train and test all methods, side by side where there are cores.

    A small network gains little from a second thread. Those that take longest
    begin first, as soon as what they need is there.

    Args:
        settings: What the demo does.
        command: Gives what trains and tests a method, by its name.

    Returns:
        What :func:`run_method` gives, by the method's name.

    Raises:
        KeyboardInterrupt: A training was stopped; it can be continued.
        ConfigError: A method did not get to its end.
    """
    left = []
    for name in settings.configs:
        if finished(settings, name) is None:
            left.append(name)
        else:
            folder = method_folder(settings, name)
            print(f'{name}: done before, see {folder}', flush=True)
    jobs = [
        Job(
            name,
            command(name),
            [n for n in needed_methods(settings, name) if n in left],
        )
        for name in reversed(left)
    ]
    places = [threads_of_each(settings)] * _at_a_time(settings)
    codes = run_queue(jobs, places, lambda name: None, lambda *ended: None)
    _require_success(codes)
    return {name: result_of(settings, name) for name in settings.configs}


def threads_of_each(settings: DemoSettings) -> dict[str, str]:
    """Variables for the threads of a method, whichever run beside it.

    Another number of threads rounds differently, so it must not depend on
    how many methods are left.

    Args:
        settings: What the demo does.
    """
    return shared_among(_at_a_time(settings))


def _require_success(codes: Mapping[str, int]) -> None:
    """Raise what methods that did not get to their end ask for."""
    if any(map(was_stopped, codes.values())):
        raise KeyboardInterrupt
    ends = [
        f'{name} {ending_of(code, "see above", _REMEDY)}'
        for name, code in codes.items()
        if code
    ]
    if ends:
        raise ConfigError('; '.join(ends))


def _at_a_time(settings: DemoSettings) -> int:
    """Methods that run at the same time, each on a core of its own."""
    needs = {name: needed_methods(settings, name) for name in settings.configs}
    most = 1
    while needs:
        free = [n for n in needs if not any(o in needs for o in needs[n])]
        if not free:
            names = ', '.join(needs)
            raise ConfigError(f'{names}: these start from each other')
        most = max(most, len(free))
        needs = {n: o for n, o in needs.items() if n not in free}
    return min(most, usable_cores())
