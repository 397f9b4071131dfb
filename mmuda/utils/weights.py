# Copyright (c) mmuda authors.
"""Comparing stored weights with those that a network needs."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.text import join_some

_REMEDY_NOT_FINITE = (
    'the training that wrote it has diverged: use an earlier checkpoint, and '
    'a lower learning rate'
)


def misfits(
    stored: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    optional: Collection[str] = (),
) -> list[str]:
    """Say what keeps stored weights from covering a network exactly.

    Integer buffers, such as counters and tables of positions, are not
    learned, and a file may lack them.

    Args:
        stored: Tensors by name, as a file has them.
        expected: State dict of the network.
        optional: Names that may be stored, or missing, as they are.

    Returns:
        A fault of several tensors each; none if all fits.
    """
    faults: dict[str, list[str]] = {
        'tensors are missing': [],
        'have another shape': [],
        'are of another type': [],
    }
    for name, tensor in expected.items():
        fault = _fault(stored.get(name), tensor)
        if fault is None or name in optional:
            continue
        kind, detail = fault
        if name in stored or tensor.is_floating_point():
            faults[kind].append(f'{name}{detail}')
    faults['belong to another network'] = [
        name
        for name in stored
        if name not in expected and name not in optional
    ]
    return [
        f'{len(names)} {what} ({join_some(names)})'
        for what, names in faults.items()
        if names
    ]


def fitting(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Take the stored tensors that a network can hold.

    Args:
        stored: Tensors by name, as a file has them.
        expected: State dict of the network.
    """
    return {
        name: stored[name]
        for name, tensor in expected.items()
        if _fault(stored.get(name), tensor) is None
    }


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Name the tensors that hold NaN or infinite values.

    A device is waited for once. Extra states are left out: what their values
    mean is up to their modules.

    Args:
        tensors: By name; other objects are passed over.
    """
    flags: dict[torch.device, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if (
            isinstance(tensor, Tensor)
            and _has_values(tensor)
            and not name.endswith('_extra_state')
        ):
            flag = torch.isfinite(tensor).all()
            flags.setdefault(tensor.device, {})[name] = flag
    finite: dict[str, bool] = {}
    for values in flags.values():
        answers = torch.stack(list(values.values())).tolist()
        finite |= dict(zip(values, answers, strict=True))
    return [name for name in tensors if not finite.get(name, True)]


def check_finite(stored: Mapping[str, Any], file: str) -> None:
    """Refuse weights that are not numbers.

    Args:
        stored: Tensors by name.
        file: What holds them, for messages.

    Raises:
        CheckpointError: A value is NaN or infinite.
    """
    broken = not_finite(stored)
    if broken:
        raise CheckpointError(
            f'{file}: {len(broken)} tensors hold NaN or infinite values '
            f'({join_some(broken)}); {_REMEDY_NOT_FINITE}'
        )


def tell_conversion(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor], file: str
) -> None:
    """Log that weights of another precision are converted.

    Args:
        stored: Tensors by name, which fit.
        expected: State dict of the network.
        file: What holds them, for messages.
    """
    pairs = sorted(
        {
            f'{_kind(stored[name])} to {_kind(tensor)}'
            for name, tensor in expected.items()
            if tensor.is_floating_point()
            and isinstance(stored.get(name), Tensor)
            and stored[name].dtype != tensor.dtype
        }
    )
    if pairs:
        print_log(
            f'{file}: weights are converted, {", ".join(pairs)}',
            'current',
            logging.WARNING,
        )


def _has_values(tensor: Tensor) -> bool:
    """Whether it could be checked; others are no weights anyway."""
    number = tensor.is_floating_point() or tensor.is_complex()
    plain = tensor.layout == torch.strided and not tensor.is_meta
    return number and plain and tensor.element_size() > 1


def _fault(stored: Any, own: Tensor) -> tuple[str, str] | None:
    """Kind of fault and what is wrong, or None."""
    if not isinstance(stored, Tensor):
        return 'tensors are missing', ''
    if stored.shape != own.shape:
        shapes = tuple(stored.shape), tuple(own.shape)
        return 'have another shape', ' {} instead of {}'.format(*shapes)
    if not _convertible(stored, own):
        kinds = _kind(stored), _kind(own)
        return 'are of another type', ' {} instead of {}'.format(*kinds)
    return None


def _convertible(stored: Tensor, own: Tensor) -> bool:
    """Whether the values survive in the network's own type."""
    if stored.layout != torch.strided or stored.is_meta:
        return False
    if stored.dtype == own.dtype:
        return True
    # Below two bytes values need scales, which are not here.
    real = stored.is_floating_point() and stored.element_size() > 1
    if own.is_floating_point():
        # A double may be too large for a float.
        return real and not bool(
            (stored.to(own.dtype).isinf() & stored.isfinite()).any()
        )
    whole = not stored.is_complex() and not stored.is_quantized
    # Averaged networks store counters as they store weights.
    return whole and not bool((stored != stored.to(own.dtype)).any())


def _kind(tensor: Tensor) -> str:
    name = str(tensor.dtype).removeprefix('torch.')
    return name if tensor.layout == torch.strided else f'sparse {name}'
