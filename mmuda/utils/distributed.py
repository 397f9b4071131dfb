# Copyright (c) mmuda authors.
"""Starting several processes, also without a GPU."""

import datetime
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, init_dist, is_main_process

from mmuda.utils.errors import ConfigError, MMUDAError

Result = TypeVar('Result')

_TORCHRUN_VARIABLES = ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')


def init_distributed(launcher: str, cfg: Config) -> None:
    """Connect the processes where the runner can't do it itself.

    mmengine selects a CUDA device before it connects the processes, which
    fails on machines without one. A runner leaves a connection that exists
    already as it is.

    Args:
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        cfg: The config; ``env_cfg.dist_cfg.timeout`` (seconds) is kept.

    Raises:
        ConfigError: If the process was not started by the launcher, or the
            launcher needs a GPU that is not there.
    """
    if launcher == 'none' or dist.is_initialized():
        return
    without_gpu = get_device() in ('cpu', 'mps')
    if launcher == 'pytorch':
        missing = [n for n in _TORCHRUN_VARIABLES if n not in os.environ]
        if missing:
            raise ConfigError(
                f'--launcher pytorch: {", ".join(missing)} not set; start '
                'the processes by --gpus N in its place, or with '
                'tools/dist_train.sh or dist_test.sh'
            )
    elif without_gpu:
        raise ConfigError(
            f'--launcher {launcher} needs a GPU; on CPUs use --launcher '
            'pytorch'
        )
    if without_gpu:
        dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
        seconds = dist_cfg.get('timeout')
        timeout = seconds and datetime.timedelta(seconds=seconds)
        dist.init_process_group('gloo', timeout=timeout)


def connect_processes(launcher: str, cfg: Config) -> None:
    """Connect the processes of a tool that builds no runner.

    Args:
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        cfg: The config; its ``env_cfg.dist_cfg`` is used.

    Raises:
        ConfigError: As of :func:`init_distributed`.
    """
    init_distributed(launcher, cfg)
    if launcher != 'none' and not dist.is_initialized():
        init_dist(launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {}))


def of_main_process(work: Callable[[], Result]) -> Result:
    """Let the main process work, and tell all what it has found.

    Args:
        work: What is done by the main process alone. All processes call this.

    Raises:
        MMUDAError: As of the work; in all processes, so that none waits for
            the others.
    """
    told: list[Any] = [None]
    if is_main_process():
        try:
            told = [work()]
        except MMUDAError as error:
            told = [error]
    broadcast_object_list(told)
    if isinstance(told[0], MMUDAError):
        raise told[0]
    return told[0]
