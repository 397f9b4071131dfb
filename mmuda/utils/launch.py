# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""torchrun, without its forty lines after ours.

Takes the options of torchrun: ``python -m mmuda.utils.launch
--nproc_per_node=2 tools/train.py CONFIG --launcher pytorch``. It ends with
the exit code of the process that failed first, and with the tool that has
started it. ``--traceback`` of a tool, or ``MMUDA_TRACEBACK=1``, shows all that
torchrun tells.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from mmuda.utils.errors import describe_error
from mmuda.utils.processes import end_with_parent, raise_at_interrupt
from mmuda.utils.threads import shared_among

_FAILED = 1
_LOGGERS = ('torch.distributed.elastic', 'torch.distributed.run')


def main(arguments: Sequence[str]) -> int:
    """Start processes and wait for them.

    Args:
        arguments: As of torchrun.

    Returns:
        0, the exit code of the process that failed first, or 128 and the
        number of the signal that has ended it, as in a shell.
    """
    raise_at_interrupt()
    end_with_parent()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # torchrun would undo what nohup has asked for.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    verbose = (
        '--traceback' in arguments or os.environ.get('MMUDA_TRACEBACK') == '1'
    )
    if not verbose:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        options = torchrun.parse_args(list(arguments))
        # torchrun would give each process a single thread.
        if options.nproc_per_node.isdecimal():
            os.environ |= shared_among(int(options.nproc_per_node))
        torchrun.run(options)
    except ChildFailedError as error:
        if verbose:
            print(error, file=sys.stderr)
        return _tell(error)
    except SignalException as error:
        return 128 + error.sigval
    except Exception as error:
        if verbose:
            raise
        text = describe_error(error)
        print(f'error: cannot start the processes: {text}', file=sys.stderr)
        return _FAILED
    return 0


def _tell(error: ChildFailedError) -> int:
    """Name a process that had no time to tell why it ended."""
    rank, failure = error.get_first_failure()
    code = failure.exitcode
    if code >= 0:
        return code
    reason = ''
    if -code == signal.SIGKILL:
        reason = ', perhaps for lack of memory'
    elif -code == signal.SIGABRT:
        reason = (
            ', perhaps as another process did not answer within the time of '
            'env_cfg.dist_cfg.timeout'
        )
    elif -code == signal.SIGBUS:
        reason = ', perhaps for lack of shared memory (/dev/shm)'
    print(
        f'error: process {rank} was ended by {signal.Signals(-code).name}'
        f'{reason}; --resume continues a training from its last checkpoint',
        file=sys.stderr,
        flush=True,
    )
    return 128 - code


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
