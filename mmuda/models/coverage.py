# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checking that trained weights cover the networks they are loaded into."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmuda.utils.errors import CheckpointError
from mmuda.utils.weights import misfits, tell_conversion

HEADS = 'heads'
THE_CHECKPOINT = 'the checkpoint'


def check_cover(
    network: nn.Module,
    state_dict: Mapping[str, Any],
    prefix: str,
    file: str = THE_CHECKPOINT,
) -> None:
    """Refuse a checkpoint that would leave random weights in a network.

    Args:
        network: Segmentor or teacher, without a distributed wrapper.
        state_dict: Tensors by name.
        prefix: Prefix of the network's names, with a trailing dot.
        file: Where they come from, for messages.

    Raises:
        CheckpointError: A tensor is missing or has another shape, or the
            checkpoint is of a larger network. Auxiliary heads that the
            network does not have are no fault: they serve training only.
    """
    expected = network.state_dict()
    stored = {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }
    optional = {
        name
        for name in {*stored, *expected}
        if name.endswith('_extra_state')
        or (name.startswith('auxiliary_head.') and name not in expected)
    }
    faults = misfits(stored, expected, optional)
    part = prefix.removesuffix('.').rpartition('.')[2] or 'model'
    if faults:
        raise CheckpointError(
            f'{file} does not fit the {part} of this config '
            f'({"; ".join(faults)}); use the config that it was trained with'
            f'{_new_parts_hint(part, stored, expected) if prefix else ""}'
        )
    tell_conversion(stored, expected, f'{part} of {file}')


def _new_parts_hint(
    part: str, stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> str:
    """Say how a training can start with another number of classes."""
    option = part
    if any(name.startswith('backbone.') for name in expected):
        kept = {
            name: tensor
            for name, tensor in expected.items()
            if name.startswith(('backbone.', 'neck.'))
        }
        if misfits({n: t for n, t in stored.items() if n in kept}, kept):
            return ''
        option = HEADS
    return (
        f', or train with new ones: tools/train.py --new-parts {option} (see '
        '"Another number of classes" in docs/own_data.md)'
    )
