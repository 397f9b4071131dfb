# Copyright (c) mmuda authors.
"""ADVENT's class-ratio prior as a term."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import class_ratio_prior_loss
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.json_files import read_json
from mmuda.utils.names import DECODE
from mmuda.utils.tool_commands import tool_command


@MODELS.register_module()
class ClassRatioPrior(Term):
    """Keep classes from vanishing on the target (ADVENT, equation 7).

    A loss of the main head, or of a target's own.

    Args:
        ratio: Frequency (or count) of each class in the source labels, or a
            JSON file with such a list, written by
            ``tools/misc/class_statistics.py --ratios``; ``{setting}`` in its
            name is that of the config.
        weight: Weight of the loss.
        relaxation: Factor mu in [0, 1]; 0.5 as in the paper.

    Raises:
        ConfigError: The file can't be read, or a value is out of range.
    """

    allows_padding = True
    ratio: Tensor

    def __init__(
        self,
        ratio: Sequence[float] | str,
        weight: float = 1.0,
        relaxation: Annotated[float, SHARE] = 0.5,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.relaxation = SHARE.require(
            relaxation, 'ClassRatioPrior.relaxation'
        )
        # Where the values are from, for messages.
        self.place = 'ClassRatioPrior.ratio'
        if isinstance(ratio, str):
            self.place += f" of '{ratio}'"
        values = _as_ratio(ratio, self.place)
        self.register_buffer('ratio', values, persistent=False)

    @property
    def numbers_of_files(self) -> dict[str, list[float]]:
        """What ``ratio`` holds, which a resumed run must hold, too."""
        return dict(ratio=self.ratio.tolist())

    def attach(self, model) -> None:
        """Refuse a method of another number of classes.

        Raises:
            ConfigError: The numbers differ.
        """
        if len(self.ratio) != model.num_classes:
            raise ConfigError(
                f'{self.place} has {len(self.ratio)} values; the '
                f'segmentor has {model.num_classes} classes'
            )

    def on_target(
        self,
        model,
        prediction: Prediction,
        full: Logits,
        target: DomainBatch,
    ) -> Losses:
        """Weighted loss, named ``decode.loss_class_ratio``."""
        loss = class_ratio_prior_loss(
            full[model.head_on(target.name)],
            self.ratio,
            self.relaxation,
            target.valid,
        )
        return {f'{DECODE}.loss_class_ratio': self.weight * loss}


def _as_ratio(ratio: Sequence[float] | str, place: str) -> Tensor:
    if isinstance(ratio, str):
        count = tool_command(
            'misc/class_statistics.py', 'CONFIG', '--ratios', ratio
        )
        remedy = f'write it by {count}, with --setting if it is given here'
        try:
            ratio = read_json(ratio, remedy, list[float])
        except DataError as error:
            raise ConfigError(f'ClassRatioPrior.ratio: {error}') from None
    try:
        values = torch.tensor(list(ratio), dtype=torch.float64)
    except (TypeError, ValueError):
        values = torch.zeros(0)
    if values.ndim != 1 or not values.sum() > 0 or (values < 0).any():
        raise ConfigError(
            f'{place} must be a list of numbers >= 0, one for '
            f'each class, not {ratio!r}'
        )
    return (values / values.sum()).float()
