# Copyright (c) mmuda authors.
"""One network that takes the weights of one checkpoint after the other."""

import copy
from typing import Any

from mmengine.device import get_device
from mmengine.model import BaseModel
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.evaluation.target_statistics import (
    TargetStatistics,
    measure_missing,
)
from mmuda.models.norm_statistics import statistics_options
from mmuda.models.segmentors.ensemble import members
from mmuda.models.trained import load_trained
from mmuda.registry import MODELS
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import Precision, lay_out

from .member_configs import named
from .pool_members import Member


class SharedNetwork:
    """The network of some members of a pool.

    Args:
        model: As :func:`build_network` gives it.
        precision: In which the network computes.
    """

    def __init__(self, model: BaseModel, precision: Precision) -> None:
        self.model = model.to(get_device()).eval()
        lay_out(self.model, precision)

    @property
    def network(self) -> BaseSegmentor:
        """What predicts."""
        (network,) = members(self.model)[0]
        return network

    def choose(self, member: Member) -> None:
        """Let student or teacher predict, as a member's config tests it.

        Args:
            member: One that has this network.
        """
        # A plain network of mmseg has neither.
        main = getattr(self.model, 'main', '')
        tested = member.cfg.model.get('predict_on') or main
        if name := member.network or tested:
            self.model.predict_on = name

    def load(self, member: Member) -> tuple[str, ...] | None:
        """Fill the network as ``load_model`` does.

        Args:
            member: Whose weights; statistics of the target that its file
                lacks are measured on images as it sees them.

        Returns:
            The classes it was trained for; None if the file does not tell.

        Raises:
            CheckpointError: It does not fit.
        """
        self.choose(member)
        with named(member.origin):
            classes = load_trained(self.model, member.file)
            given = member.cfg.model.get('norm_statistics')
            kind, options = statistics_options(given)
            if kind == 'target':
                statistics = TargetStatistics(**options)
                # One process looks at a pool, so that none waits for it.
                measure_missing(self.model, statistics, member.cfg, False)
        return classes

    def require_outputs(self, classes: int, origin: str) -> None:
        """Refuse a network that has not one output for each class.

        Args:
            classes: Number of classes of the images.
            origin: Where its config is from, for messages.

        Raises:
            ConfigError: See above.
        """
        outputs = getattr(self.network, 'out_channels', classes)
        if outputs == classes > 1:
            return
        with named(origin):
            if outputs == 1:
                raise ConfigError(
                    'the network tells two classes by a single output; scores '
                    'without labels need the probability of each class '
                    '(out_channels of the decode_head as num_classes)'
                )
            raise ConfigError(
                f'the network has {outputs} outputs and the images {classes} '
                'class(es); use the config that the network was trained with'
            )


def build_network(member: Member) -> tuple[BaseModel, str]:
    """Build the model of a member, without its weights.

    Args:
        member: With the config.

    Returns:
        The model, and a text that those share which predict alike: methods
        differ in what they train and in whether they have a teacher.

    Raises:
        ConfigError: The network can't be built.
    """
    config = copy.deepcopy(member.cfg.model)
    if member.network is not None:
        config.predict_on = member.network
    with named(member.origin), config_errors(member.cfg):
        model: BaseModel = MODELS.build(config)
    if 'segmentor' not in config:
        return model, config_text(config)
    parts: list[Any] = [getattr(model, 'teacher', None) is not None]
    parts += [config.get(k) for k in ('segmentor', 'data_preprocessor')]
    # Of what is measured as the network sees the images.
    statistics = config.get('norm_statistics')
    return model, config_text([*parts, statistics])


def config_text(part: Any) -> str:
    """A part of a config as text, whatever the order of its keys.

    Args:
        part: Dicts, lists and values.
    """
    if isinstance(part, dict):
        pairs = sorted((str(k), config_text(v)) for k, v in part.items())
        return repr(pairs)
    if isinstance(part, list | tuple):
        return repr([*map(config_text, part)])
    return repr(part)
