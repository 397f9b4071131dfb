# Copyright (c) mmuda authors.
"""The devices that networks may be put on."""

import torch
from mmengine.device import get_device

from mmuda.utils.errors import ConfigError


def device_of(name: str | torch.device | None) -> torch.device:
    """The device of a name, which holds tensors here.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:N``; None for the one that MMEngine
            takes.

    Raises:
        ConfigError: There is none of this name.
    """
    name = get_device() if name is None else name
    try:
        device = torch.device(name)
        # Nothing else tells whether it can be used.
        torch.zeros(1, device=device).cpu()
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        count = torch.cuda.device_count()
        raise ConfigError(
            f'device {str(name)!r}: take cpu, cuda or cuda:N; this machine '
            f'has {count} GPU{"s" * (count != 1)}'
        ) from error
    return device
