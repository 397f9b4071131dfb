# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Errors that a user can mend; the tools print them as one line."""

import errno

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
    elif isinstance(error, SyntaxError):
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
