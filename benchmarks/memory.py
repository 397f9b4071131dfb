# Copyright (c) mmuda authors.
"""Peak memory of tensors, to the byte."""

import gc
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(function: Callable[[], object], device: str = 'cpu') -> int:
    """Largest sum of the memory that tensors made in a call hold at once.

    What was there before does not count, neither kept nor freed; give
    gradients and optimizer states beforehand to leave them out. On a GPU it
    is ``torch.cuda.max_memory_allocated`` above the level at the start.

    On the CPU every allocation and release of PyTorch's allocator is
    recorded by its profiler and replayed, which gives the same number each
    time, unlike the resident size of the process. Buffers inside of oneDNN
    and Python objects are not seen.

    Args:
        function: What to measure; it runs once.
        device: Where its tensors lie.

    Returns:
        Bytes.
    """
    gc.collect()
    if torch.device(device).type == 'cuda':
        return _cuda_peak(function, device)
    # Otherwise the profiler tells on the terminal that it starts and stops.
    os.environ.setdefault('KINETO_LOG_LEVEL', '6')
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        function()
    return replay_peak(_memory_events(profiler))


def replay_peak(events: Iterable[tuple[int, int]]) -> int:
    """Peak of a sequence of allocations and releases.

    Args:
        events: Address and size in order; the size of a release is negative.
            A release of an address that was not allocated before is ignored.

    Returns:
        Bytes.
    """
    live: dict[int, int] = {}
    total = peak = 0
    for address, size in events:
        total -= live.pop(address, 0)
        if size > 0:
            live[address] = size
            total += size
        peak = max(peak, total)
    return peak


def _memory_events(profiler: profile) -> list[tuple[int, int]]:
    """Read address and size of each event from the profiler's trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'trace.json')
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text(encoding='utf-8', errors='replace'))
    events = [e for e in trace['traceEvents'] if e.get('name') == '[memory]']
    events.sort(key=lambda event: event['ts'])
    return [(e['args']['Addr'], e['args']['Bytes']) for e in events]


def _cuda_peak(function: Callable[[], object], device: str) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
