# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What it means when another process of a run has failed, in one line."""

import re

import torch.distributed as dist

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
