# Copyright (c) mmuda authors.
"""Several checkpoints of one network or several, used in turns."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.mixed_precision import Precision, computing_in

from .pool_members import Member
from .shared_network import SharedNetwork, build_network, config_text

# Weights that are kept in memory, beside those of the networks themselves.
_KEPT_BYTES = 2**31


class CheckpointPool:
    """Networks that take the weights of one checkpoint after the other.

    Members whose configs name the same network share it. Weights stay in
    memory as far as those of all fit into two gigabytes; those of further
    checkpoints are read from disk whenever they are used.

    Args:
        members: Checkpoints, their configs and which network of each
            predicts.
        classes: Names of the classes of the images.
        precision: In which the networks compute.
        kept_bytes: Size of the weights that may stay in memory.

    Raises:
        CheckpointError: A file does not fit its network, or its classes are
            others.
        ConfigError: A network can't be built, or has not one output for each
            class.
    """

    def __init__(
        self,
        members: Sequence[Member],
        classes: Sequence[str],
        precision: Precision = 'fp32',
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self.members = [
            replace(member, file=str(local_checkpoint(member.file)))
            for member in members
        ]
        self.precision = precision
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._left = kept_bytes
        self._networks = [*_shared_networks(self.members, precision)]
        for index, member in enumerate(self.members):
            network = self._networks[index]
            trained = network.load(member)
            require_trained_classes(trained, classes, member.file, 'images')
            network.require_outputs(len(classes), member.origin)
            self._keep(index)

    def __len__(self) -> int:
        """Number of checkpoints."""
        return len(self.members)

    @property
    def voters(self) -> set[int]:
        """Numbers of those whose mean softmax all are compared with."""
        return {n for n, member in enumerate(self.members) if member.votes}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self._networks[0].model.parameters()).device

    def computing(self) -> AbstractContextManager[None]:
        """Let a network compute in its precision inside the block."""
        return computing_in(self.precision, self.device)

    def names(self) -> list[str]:
        """Short names of the checkpoints, each once.

        With the network that predicts, where it is not the one by the config.
        """
        paths = [Path(member.file) for member in self.members]
        depth = 1
        while True:
            names = ['/'.join(path.parts[-depth:]) for path in paths]
            if len(set(names)) == len(set(paths)) or depth > 16:
                break
            depth += 1
        return [
            f'{name} ({member.network})' if member.network else name
            for name, member in zip(names, self.members, strict=True)
        ]

    def use(self, index: int) -> BaseModel:
        """Give the model of a checkpoint, with its weights.

        Args:
            index: Of the checkpoint.
        """
        shared, member = self._networks[index], self.members[index]
        if index in self._kept:
            shared.choose(member)
            shared.network.load_state_dict(self._kept[index])
        else:
            shared.load(member)
        return shared.model

    def _keep(self, index: int) -> None:
        state = self._networks[index].network.state_dict()
        size = sum(value.nbytes for value in state.values())
        if size <= self._left:
            self._left -= size
            self._kept[index] = {
                name: value.detach().to('cpu', copy=True)
                for name, value in state.items()
            }


def _shared_networks(
    members: Sequence[Member], precision: Precision
) -> Iterator[SharedNetwork]:
    """Yield the network of each member, one for all that predict alike."""
    known: dict[str, SharedNetwork] = {}
    found: dict[str, SharedNetwork] = {}
    for member in members:
        whole = config_text(member.cfg.model)
        if whole not in known:
            model, text = build_network(member)
            if text not in found:
                found[text] = SharedNetwork(model, precision)
            known[whole] = found[text]
        yield known[whole]
