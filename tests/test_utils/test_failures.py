"""What PyTorch says when another process fails, in a line of ours."""

import pytest

from mmuda.utils.errors import explain_failure

TEXTS = {
    'DataLoader worker (pid 123) is killed by signal: Killed. ': (
        'a loader process was killed (Killed), perhaps for lack of memory'
    ),
    'DataLoader worker (pid(s) 1, 2) exited unexpectedly': (
        'a loader process was killed, perhaps for lack of memory'
    ),
    'DataLoader worker (pid 7) is killed by signal: Bus error. It is possible '
    "that dataloader's workers are out of shared memory.": (
        'the shared memory is full'
    ),
    'unable to write to file </torch_12_3>: No space left on device (28)': (
        'the shared memory is full'
    ),
    'unable to allocate shared memory(shm) for file </torch_1>': (
        'the shared memory is full'
    ),
    'received 0 items of ancdata': 'too many files are open',
    '[Errno 24] Too many open files': 'too many files are open',
}


@pytest.mark.parametrize('text', TEXTS)
def test_known_failures(text):
    line = explain_failure(RuntimeError(text))
    assert line.startswith(TEXTS[text])
    assert '\n' not in line


@pytest.mark.parametrize(
    'text', ['some other error', 'Connection closed by peer']
)
def test_others_are_not_guessed(text):
    assert explain_failure(RuntimeError(text)) is None
