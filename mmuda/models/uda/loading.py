# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checking that a checkpoint fits the segmentor it is loaded into."""

from torch import Tensor, nn

from mmuda.utils.errors import CheckpointError
from mmuda.utils.text import join_some


def add_segmentor_prefix(state_dict: dict, prefix: str) -> None:
    """Turn the state of a plain mmseg model into a wrapper's, in place.

    Args:
        state_dict: Tensors by name. Left alone if any name starts with
            ``<prefix>segmentor.``.
        prefix: Prefix of the UDA model itself.
    """
    wanted = f'{prefix}segmentor.'
    names = [n for n in state_dict if n.startswith(prefix)]
    if any(n.startswith(wanted) for n in names):
        return
    for name in names:
        state_dict[wanted + name[len(prefix) :]] = state_dict.pop(name)


def check_cover(segmentor: nn.Module, state_dict: dict, prefix: str) -> None:
    """Refuse a checkpoint that would leave random weights in the segmentor.

    Args:
        segmentor: The network, without a distributed wrapper.
        state_dict: Tensors by name.
        prefix: Prefix of the segmentor's names, with a trailing dot.

    Raises:
        CheckpointError: A tensor is missing or has another shape, or the
            checkpoint is of a larger network. Auxiliary heads that the
            segmentor does not have are no fault: they serve training only.
    """
    missing, wrong = [], []
    expected = segmentor.state_dict()
    unknown = [
        name[len(prefix) :]
        for name in state_dict
        if name.startswith(prefix)
        and name[len(prefix) :] not in expected
        and not name.startswith(f'{prefix}auxiliary_head.')
    ]
    for name, tensor in expected.items():
        stored = state_dict.get(prefix + name)
        if name.endswith('num_batches_tracked'):
            continue
        if not isinstance(stored, Tensor):
            missing.append(name)
        elif stored.shape != tensor.shape:
            wrong.append(
                f'{name} {tuple(stored.shape)} instead of '
                f'{tuple(tensor.shape)}'
            )
    if not missing and not wrong and not unknown:
        return
    faults = []
    if missing:
        faults.append(
            f'{len(missing)} tensors are missing: {join_some(missing)}'
        )
    if wrong:
        faults.append(f'{len(wrong)} have another shape: {join_some(wrong)}')
    if unknown:
        names = join_some(unknown)
        faults.append(f'{len(unknown)} belong to another network: {names}')
    raise CheckpointError(
        'the checkpoint does not fit the segmentor of this config '
        f'({"; ".join(faults)}); use the config that it was trained with'
    )
