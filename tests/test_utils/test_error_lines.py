import errno
import json

import pytest

from mmuda.utils.errors import DataError, describe_error, is_of_user


def raised_by(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (of any type)
        function()
    return caught.value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return json.dumps(value)


def loader_error(name, text):
    lines = f'Caught {name} in DataLoader worker process 0.\nOriginal '
    return f'{lines}Traceback (most recent call last):\n  File "a"\n{text}'


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (DataError('two\n  lines'), 'two lines'),
        (DataError(loader_error('X', 'a.b.X: bad: a.png')), 'bad: a.png'),
        (
            ValueError(loader_error('ValueError', 'ValueError: bad')),
            'ValueError: bad',
        ),
        (ValueError('a\nb'), 'ValueError: a b'),
        (AssertionError(), 'AssertionError'),
        (KeyError('dataset'), "KeyError: 'dataset' is missing"),
        (MemoryError(), 'out of memory'),
        (IsADirectoryError(21, 'Is a directory', 'x'), "Is a directory: 'x'"),
        (OSError('no name'), 'OSError: no name'),
        (ValueError('x' * 1000), 'ValueError: ' + 'x' * 488 + ' ...'),
        (
            raised_by(lambda: nested(100_000)),
            'nested too deeply, or containing itself (RecursionError: ',
        ),
        (
            raised_by(lambda: compile('a = (\n', 'c.py', 'exec')),
            "c.py:1: '(' was never closed",
        ),
        (
            raised_by(lambda: b'\xff'.decode()),
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff",
        ),
    ],
)
def test_every_error_is_one_line(error, line):
    assert describe_error(error).startswith(line)
    assert '\n' not in describe_error(error)


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (DataError('x'), True),
        (FileNotFoundError(2, 'No such file', 'x'), True),
        (OSError(errno.EIO, 'broken', 'x'), False),
        (OSError('no name'), False),
        (ValueError('x'), False),
    ],
)
def test_errors_that_a_user_can_mend(error, expected):
    assert is_of_user(error) is expected
