# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Starting several processes, also without a GPU; values of all of them."""

import datetime
import os
from collections.abc import Mapping
from functools import reduce

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import all_gather, all_reduce, get_world_size, init_dist
from torch import Tensor
from torch.nn.functional import pad

from mmuda.utils.errors import ConfigError

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
                'the processes with tools/dist_train.sh or dist_test.sh'
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


@torch.no_grad()
def mean_of_processes(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Average numbers over all processes, which all have to call this.

    Args:
        values: Scalars of the same names in all processes.

    Returns:
        Their means in the types that they have, on the CPU: one copy takes
        less time than one for each when they are logged.
    """
    scalars = [value.detach().squeeze() for value in values.values()]
    if not scalars:
        return {}
    kind = reduce(torch.promote_types, [s.dtype for s in scalars])
    # Some may be on the CPU, such as constants.
    devices = {s.device for s in scalars if s.device.type != 'cpu'}
    device = devices.pop() if devices else None
    stacked = torch.stack([scalar.to(device, kind) for scalar in scalars])
    if get_world_size() > 1:
        all_reduce(stacked, op='mean')
    means = stacked.cpu().unbind()
    return {
        name: mean.to(scalar.dtype)
        for name, mean, scalar in zip(values, means, scalars, strict=True)
    }


@torch.no_grad()
def gather_padded(*maps: Tensor, fill: float) -> tuple[Tensor, ...]:
    """Values of all processes, which all have to call this.

    Args:
        *maps: Tensors of one size, which may differ between processes as
            that of images that are not cropped.
        fill: Stands at the end of the values of a process that has less than
            another.

    Returns:
        For each map (P,) values of the processes one after another, without
        a gradient; in a single process the values of the map.
    """
    size = maps[0].numel()
    largest = torch.tensor(size)
    all_reduce(largest, op='max')
    padding = (0, int(largest) - size)
    return tuple(
        torch.cat(all_gather(pad(values.flatten(), padding, value=fill)))
        for values in maps
    )
