# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Several checkpoints of one network, used in turns."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor

from mmuda.evaluation.target_statistics import (
    TargetStatistics,
    measure_missing,
)
from mmuda.models.norm_statistics import statistics_options
from mmuda.models.segmentors.ensemble import members
from mmuda.models.trained import load_trained
from mmuda.pseudo_labels.checkpoints import load_model
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import Precision, computing_in, lay_out

# Weights that are kept in memory, beside those of the network itself.
_KEPT_BYTES = 2**31


class CheckpointPool:
    """One network that takes the weights of one checkpoint after the other.

    Weights stay in memory as far as they fit into two gigabytes; those of
    further checkpoints are read from disk whenever they are used.

    Args:
        cfg: Config of the network.
        checkpoints: Files.
        classes: Names of the classes of the images.
        precision: In which the network computes.
        networks: By the number of a checkpoint, the network of it that
            predicts in place of the one that is tested by the config, such
            as ``teacher``.
        kept_bytes: Size of the weights that may stay in memory.

    Raises:
        CheckpointError: A file does not fit the network, or its classes are
            others.
        ConfigError: The network has not one output for each class.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoints: Sequence[str],
        classes: Sequence[str],
        precision: Precision = 'fp32',
        networks: Mapping[int, str] | None = None,
        voters: Sequence[int] | None = None,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._cfg = cfg
        self.files = [str(local_checkpoint(file)) for file in checkpoints]
        self.precision = precision
        own = copy.deepcopy(cfg)
        if networks and 0 in networks:
            own.model.predict_on = networks[0]
        self.model: BaseModel = load_model(own, self.files[:1]).eval()
        lay_out(self.model, precision)
        self.voters = set(range(len(self.files)) if voters is None else voters)
        self._networks = dict(networks or {})
        # A plain network of mmseg has neither.
        main = getattr(self.model, 'main', '')
        self._tested = cfg.model.get('predict_on') or main
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._left = kept_bytes
        trained = cast(tuple[str, ...] | None, self.model.trained_classes)
        for index, file in enumerate(self.files):
            if index:
                trained = self._load(index)
            require_trained_classes(trained, classes, file, 'images')
            self._keep(index)
        _require_outputs(self.network, len(classes))

    def __len__(self) -> int:
        """Number of checkpoints."""
        return len(self.files)

    @property
    def network(self) -> BaseSegmentor:
        """What predicts."""
        (network,) = members(self.model)[0]
        return network

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def computing(self) -> AbstractContextManager[None]:
        """Let the network compute in its precision inside the block."""
        return computing_in(self.precision, self.device)

    def names(self) -> list[str]:
        """Short names of the checkpoints, each once.

        With the network that predicts, where it is not the one by the config.
        """
        paths = [Path(file) for file in self.files]
        depth = 1
        while True:
            names = ['/'.join(path.parts[-depth:]) for path in paths]
            if len(set(names)) == len(set(paths)) or depth > 16:
                break
            depth += 1
        return [
            f'{name} ({self._networks[index]})'
            if index in self._networks
            else name
            for index, name in enumerate(names)
        ]

    def use(self, index: int) -> BaseModel:
        """Give the model with the weights of a checkpoint.

        Args:
            index: Of the checkpoint.
        """
        self._choose_network(index)
        if index in self._kept:
            self.network.load_state_dict(self._kept[index])
        else:
            self._load(index)
        return self.model

    def _load(self, index: int) -> tuple[str, ...] | None:
        """Fill the network as ``load_model`` does; return its classes."""
        self._choose_network(index)
        classes = load_trained(self.model, self.files[index])
        given = self._cfg.model.get('norm_statistics')
        kind, options = statistics_options(given)
        if kind == 'target':
            measure_missing(self.model, TargetStatistics(**options), self._cfg)
        return classes

    def _choose_network(self, index: int) -> None:
        name = self._networks.get(index, self._tested)
        if name:
            self.model.predict_on = name

    def _keep(self, index: int) -> None:
        state = self.network.state_dict()
        size = sum(value.nbytes for value in state.values())
        if size <= self._left:
            self._left -= size
            self._kept[index] = {
                name: value.detach().to('cpu', copy=True)
                for name, value in state.items()
            }


def _require_outputs(network: BaseSegmentor, classes: int) -> None:
    outputs = getattr(network, 'out_channels', classes)
    if outputs == classes > 1:
        return
    if outputs == 1:
        raise ConfigError(
            'the network tells two classes by a single output; scores without '
            'labels need the probability of each class (out_channels of the '
            'decode_head as num_classes)'
        )
    raise ConfigError(
        f'the network has {outputs} outputs and the images {classes} '
        'class(es); use the config that the network was trained with'
    )
