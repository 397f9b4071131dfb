# Copyright (c) mmuda authors.
"""torchrun, without its forty lines after ours.

Takes the options of torchrun: ``python -m mmuda.utils.launch
--nproc_per_node=2 tools/train.py CONFIG --launcher pytorch``. It ends with
the exit code of the process that failed first, and with the tool that has
started it. ``--traceback`` of a tool, or ``MMUDA_TRACEBACK=1``, shows all that
torchrun tells. ``--gpus`` of a tool does the same.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence

import torch
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from mmuda.utils.errors import ConfigError, describe_error
from mmuda.utils.processes import (
    end_with_parent,
    is_of_torchrun,
    raise_at_interrupt,
)
from mmuda.utils.threads import shared_among
from mmuda.utils.tool_commands import tools_folder

_FAILED = 1
# Variables that tools/dist_train.sh reads: option of torchrun, default.
_MACHINES = {
    'NNODES': ('nnodes', '1'),
    'NODE_RANK': ('node_rank', '0'),
    'MASTER_ADDR': ('master_addr', '127.0.0.1'),
    'PORT': ('master_port', '29500'),
}
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
    return start_processes(arguments)


def asks_for_processes(args: argparse.Namespace) -> bool:
    """Whether ``--gpus`` of a tool asks for processes that are not there yet.

    Args:
        args: Of any tool.

    Raises:
        ConfigError: Another launcher is named, too.
    """
    gpus = getattr(args, 'gpus', None)
    if gpus is None or is_of_torchrun():
        return False
    if gpus == 1 and os.environ.get('NNODES', '1') == '1':
        return False
    if args.launcher != 'none':
        raise ConfigError(
            f'--gpus {args.gpus} starts the processes itself; leave '
            f'--launcher {args.launcher} out'
        )
    return True


def start_again(processes: int) -> int:
    """Start the present tool in several processes, with its arguments.

    On one machine, at a free port; on several as ``tools/dist_train.sh`` does,
    by ``NNODES``, ``NODE_RANK``, ``MASTER_ADDR`` and ``PORT``.

    Args:
        processes: On this machine.

    Returns:
        As of :func:`main`.

    Raises:
        ConfigError: There are GPUs, but fewer.
    """
    there = torch.cuda.device_count()
    if 0 < there < processes:
        raise ConfigError(
            f'--gpus {processes}: this machine has {there}; take as many, or '
            'choose them by CUDA_VISIBLE_DEVICES'
        )
    tool = sys.modules['__main__'].__file__
    if tool is None:
        raise ConfigError('--gpus starts tools, which are files')
    # As tools are run by hand, from a checkout that is not installed too.
    paths = [tools_folder().parent, os.environ.get('PYTHONPATH')]
    os.environ['PYTHONPATH'] = os.pathsep.join(map(str, filter(None, paths)))
    return start_processes(
        [
            *_machines(),
            f'--nproc_per_node={processes}',
            os.path.abspath(tool),
            *('--launcher', 'pytorch'),
            *sys.argv[1:],
        ]
    )


def _machines() -> list[str]:
    """Options of torchrun that say how the processes find each other."""
    if not any(name in os.environ for name in _MACHINES):
        return ['--standalone']
    return [
        f'--{option}={os.environ.get(name, default)}'
        for name, (option, default) in _MACHINES.items()
    ]


def start_processes(arguments: Sequence[str]) -> int:
    """Start processes of a tool and wait for them.

    Args:
        arguments: As of torchrun.

    Returns:
        As of :func:`main`.
    """
    # Windows has no such signal.
    hangup = getattr(signal, 'SIGHUP', None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        # torchrun would undo what nohup has asked for.
        signal.pthread_sigmask(signal.SIG_BLOCK, [hangup])
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
    if -code == getattr(signal, 'SIGKILL', None):
        reason = ', perhaps for lack of memory'
    elif -code == signal.SIGABRT:
        reason = (
            ', perhaps as another process did not answer within the time of '
            'env_cfg.dist_cfg.timeout'
        )
    elif -code == getattr(signal, 'SIGBUS', None):
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
