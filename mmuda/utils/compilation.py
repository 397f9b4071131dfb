# Copyright (c) mmuda authors.
"""Networks that ``torch.compile`` translates for the device."""

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.device import get_device
from torch import nn

from mmuda.utils.errors import ConfigError

_DEFAULT = 'inductor'
# A network has a graph for each set of heads, each mode, and each part that
# is frozen; PyTorch gives up at 8.
_GRAPHS = 64


def compile_options(given: bool | Mapping[str, Any] | None) -> dict | None:
    """Arguments of ``torch.compile``, or None if nothing is compiled.

    Args:
        given: Key ``compile`` of a config, as mmengine's ``Runner`` has it.

    Raises:
        ConfigError: It is something else, there is no such backend, or no
            compiler that the backend needs.
    """
    if given is None or given is False:
        return None
    if given is not True and not isinstance(given, Mapping):
        raise ConfigError(
            f'compile: must be True, False or a dict, not {given!r}'
        )
    options = {} if given is True else dict(given)
    backend = options.get('backend', _DEFAULT)
    # Debugging backends are hidden.
    known = torch.compiler.list_backends(exclude_tags=())
    if isinstance(backend, str) and backend not in known:
        raise ConfigError(
            f"compile.backend: unknown '{backend}'; there are {sorted(known)}"
        )
    if backend == _DEFAULT and get_device() == 'cpu':
        _require_compiler()
    return options


def _require_compiler() -> None:
    name = 'clang++' if sys.platform == 'darwin' else 'g++'
    name = os.environ.get('CXX', name)
    if shutil.which(name) is None:
        raise ConfigError(
            f"compile: on a CPU it needs a C++ compiler, and '{name}' is not "
            'found; install it, or name one by the variable CXX'
        )


def compile_network(network: nn.Module, options: Mapping[str, Any]) -> None:
    """Let calls of a network run translated, in place.

    Names of its parts and weights stay, so that its checkpoints are those of
    one that isn't compiled. It may be in a distributed wrapper, or be put
    into one later.

    Args:
        network: The module itself, not its wrapper.
        options: See :func:`compile_options`.

    Raises:
        ConfigError: ``torch.compile`` does not take the options.
    """
    config = torch._dynamo.config
    # Before PyTorch 2.7 it has the second name alone.
    names = 'recompile_limit', 'cache_size_limit'
    name = next(name for name in names if hasattr(config, name))
    setattr(config, name, max(getattr(config, name), _GRAPHS))
    try:
        network.compile(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise ConfigError(f'compile={dict(options)}: {reason}') from error
