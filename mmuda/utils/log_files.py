# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Logs that can't be written and must not end a run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import print_log

from mmuda.utils.errors import DiskFullError

_told: set[str] = set()


@contextmanager
def logs_may_fail() -> Iterator[None]:
    """Go on after a block that writes a log if its file can't be written.

    The first time this is told. A full disk ends the run where a checkpoint
    or a result is to be written, not before.
    """
    try:
        yield
    except (OSError, DiskFullError) as error:
        tell_log_error(error)


def tell_log_error(error: BaseException | None) -> None:
    """Warn that logs can't be written, once for each reason.

    Args:
        error: Tells why.
    """
    # A DiskFullError names the file, and each would be told.
    cause = getattr(error, '__cause__', None) or error
    reason = getattr(cause, 'strerror', None) or type(cause).__name__
    if reason in _told:
        return
    _told.add(reason)
    print_log(
        f'a log cannot be written ({error}); the run goes on without it',
        logger='current',
        level=logging.WARNING,
    )
