"""Running a function in several processes that talk over gloo."""

import gc
import os
import socket

import config_text
import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes
from warm_processes import CONTEXT

# PyTorch 2.6 may wait forever for a thread of a group that is freed.
_KEPT = []


def free_port():
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def _enter(rank, world_size, port, function, folder, args):
    gc.freeze()  # these two as in conftest.py
    config_text.leave_as_it_is()
    os.environ |= dict(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world_size),
    )
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=world_size)
    _KEPT.append(dist.group.WORLD)
    try:
        result = function(*args)
        torch.save(result, os.path.join(folder, f'{rank}.pt'))
    finally:
        dist.destroy_process_group()


def run(function, folder, *args, world_size=2):
    """What ``function(*args)`` returns in each process, by rank."""
    start_processes(
        _enter,
        (world_size, free_port(), function, str(folder), args),
        nprocs=world_size,
        start_method=CONTEXT.get_start_method(),
    )
    return [
        torch.load(os.path.join(folder, f'{rank}.pt'), weights_only=False)
        for rank in range(world_size)
    ]
