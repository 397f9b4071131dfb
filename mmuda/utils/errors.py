# Copyright (c) mmuda authors.
"""Errors as tools print them: one line that a user can act on."""

import errno
import re

import torch.distributed as dist

_LENGTH = 500


class MMUDAError(Exception):
    """Base of all errors caused by what the user passed in."""


class ConfigError(MMUDAError, ValueError):
    """A config key or value is wrong."""


class DataError(MMUDAError, ValueError):
    """An image, label, folder or split file is missing or unusable."""


class DiskFullError(DataError):
    """A file can't be written for lack of space."""


class DivergedError(MMUDAError, ArithmeticError):
    """A training has come to values that are no numbers."""


class CheckpointError(MMUDAError, RuntimeError):
    """A checkpoint can't be read or does not fit the model."""


def describe_error(error: BaseException) -> str:
    """Put any error into one line.

    Args:
        error: Whatever was raised, also by a loader process.

    Returns:
        The text of our own errors; of others what happened with the file or
        the line concerned, else the type with the text.
    """
    name, text = type(error).__name__, str(error).strip()
    if text.startswith('Caught '):
        # From a loader process PyTorch brings the whole traceback as text;
        # its last line is "package.SomeError: message".
        last = text.splitlines()[-1]
        name, _, text = last.partition(': ')
        name = name.rpartition('.')[2]
        if isinstance(error, MMUDAError):
            return _short(text)
    elif isinstance(error, MMUDAError):
        return _whole(text)
    elif isinstance(error, OSError) and error.filename is not None:
        reason = error.strerror or name
        return _short(f'{reason}: {str(error.filename)!r}')
    elif isinstance(error, SyntaxError) and error.filename:
        return _short(f'{error.filename}:{error.lineno}: {error.msg}')
    elif isinstance(error, RecursionError):
        return f'nested too deeply, or containing itself ({name}: {text})'
    elif isinstance(error, MemoryError) and not text:
        return 'out of memory'
    elif isinstance(error, KeyError) and len(error.args) == 1:
        text = f'{text} is missing' if len(text) < 80 else str(error.args[0])
    return _short(f'{name}: {text}' if text else name)


def is_of_user(error: BaseException) -> bool:
    """Whether an error is about what the user passed in.

    Args:
        error: Whatever was raised.

    Returns:
        True of our own errors, and of files that are missing or not allowed.
    """
    if isinstance(error, OSError):
        return error.filename is not None and error.errno != errno.EIO
    return isinstance(error, MMUDAError)


def _whole(text: str) -> str:
    return ' '.join(text.split())


def _short(text: str) -> str:
    text = _whole(text)
    return text if len(text) <= _LENGTH else f'{text[:_LENGTH]} ...'


_SHARED_MEMORY = (
    'the shared memory is full (/dev/shm; of a container: --shm-size); '
    'give it more, or take fewer num_workers of the dataloader'
)
_PATTERNS = {
    r'DataLoader worker .*killed by signal: Bus error': _SHARED_MEMORY,
    r'unable to .*(shared memory|</torch_)|shm_open': _SHARED_MEMORY,
    r'DataLoader worker .*killed by signal: (?P<signal>[\w ]+)': (
        'a loader process was killed ({signal}), perhaps for lack of memory; '
        'take fewer num_workers of the dataloader, or a smaller batch_size'
    ),
    r'DataLoader worker .*exited unexpectedly': (
        'a loader process was killed, perhaps for lack of memory; take fewer '
        'num_workers of the dataloader, or a smaller batch_size'
    ),
    r'received 0 items of ancdata|Too many open files': (
        'too many files are open; raise the limit (ulimit -n), or take fewer '
        'num_workers of the dataloader'
    ),
}
# Gloo has no exceptions of its own.
_CONNECTIONS = {
    r'Timed out waiting \d+ms|Application timeout caused|'
    r'Watchdog caught collective operation timeout': (
        'another process does not answer within the time of '
        'env_cfg.dist_cfg.timeout'
    ),
    r'Connection (closed|reset) by peer': (
        'another process has ended, its message tells why'
    ),
}


def explain_failure(error: BaseException) -> str | None:
    """Tell in a line what PyTorch tells in many.

    Args:
        error: Raised in this process.

    Returns:
        The line; None if it is not known what the error means.
    """
    patterns = _PATTERNS
    if dist.is_initialized():
        patterns = _PATTERNS | _CONNECTIONS
    for pattern, line in patterns.items():
        match = re.search(pattern, str(error), re.DOTALL)
        if match is not None:
            return line.format(**match.groupdict())
    return None
