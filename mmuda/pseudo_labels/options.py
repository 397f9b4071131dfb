# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The key ``pseudo_labels`` of a config."""

import copy
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import get_args

from mmengine.config import Config
from torch import nn

from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.config_keys import check_config_keys, did_you_mean
from mmuda.utils.errors import ConfigError

from .ego_mask import EgoMask
from .prediction import Combination, Predictor
from .scores import Order
from .selection_rule import SelectionRule

_SPEED = ('batch_size', 'num_workers', 'write_threads')
_RANDOM = (
    'Random',
    'PhotoMetricDistortion',
    'StrongAugmentation',
    'Cutout',
)


@dataclass(frozen=True)
class PseudoLabelOptions:
    """How pseudo-labels are made.

    Attributes:
        rule: Config of a ``SelectionRule``.
        pipeline: Transforms of the images to label, without random ones and
            without labels; it takes the place of the target's own.
        order: ``softmax_first`` or ``upsample_first``.
        combination: ``sum`` or ``max``, for several networks.
        original_size: Whether labels have the size of the image file rather
            than that of the network's input.
        bins: Bins of the histograms, 4096 to 65536.
        ego_mask: Image of the ego vehicle, where labels are rejected: its
            pixels that are not 0. It is resized to the labels.
        soft_top_k: Also save probabilities at the network's resolution:
            those of so many classes, or of all classes for 0; None saves none.
        batch_size: Images of a forward pass; those of one size run together.
        num_workers: Processes that load images.
        write_threads: Threads that write files; 0 for one of each processor
            core, up to eight.
        ground_truth: ``data_prefix.seg_map_path`` of the target's labels, for
            measuring the accuracy of pseudo-labels only.

    Raises:
        ConfigError: A value is unknown or outside its range.
    """

    rule: dict
    pipeline: list
    order: Order = 'softmax_first'
    combination: Combination = 'sum'
    original_size: bool = False
    bins: int = 4096
    ego_mask: str | None = None
    soft_top_k: int | None = None
    batch_size: int = 1
    num_workers: int = 4
    write_threads: int = 0
    ground_truth: str | None = None

    def __post_init__(self) -> None:
        for name, choices in (('order', Order), ('combination', Combination)):
            if getattr(self, name) not in get_args(choices):
                raise ConfigError(
                    f'pseudo_labels.{name} must be one of '
                    f"{get_args(choices)}, not '{getattr(self, name)}'"
                )
        for name, least, most in (
            ('bins', 4096, 65536),
            ('batch_size', 1, 1024),
            ('num_workers', 0, 1024),
            ('write_threads', 0, 1024),
            ('soft_top_k', 0, 255),
        ):
            value = getattr(self, name)
            if value is None and name == 'soft_top_k':
                continue
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not least <= value <= most:
                raise ConfigError(
                    f'pseudo_labels.{name} must be a whole number in '
                    f'[{least}, {most}], not {value!r}'
                )
        if not isinstance(self.original_size, bool):
            raise ConfigError(
                'pseudo_labels.original_size must be True or False, not '
                f'{self.original_size!r}'
            )
        if not isinstance(self.rule, Mapping):
            raise ConfigError(
                f'pseudo_labels.rule must be dict(type=...), not {self.rule!r}'
            )
        for transform in self.pipeline:
            if str(transform.get('type')).startswith(_RANDOM):
                raise ConfigError(
                    f'pseudo_labels.pipeline: {transform["type"]} is random; '
                    'labels are made once for each image, leave it out'
                )

    @classmethod
    def from_config(cls, cfg: Config) -> 'PseudoLabelOptions':
        """Read and check the options of a config.

        Args:
            cfg: A whole config.

        Raises:
            ConfigError: There are none, or one is unknown or missing.
        """
        given = cfg.get('pseudo_labels')
        if given is None:
            raise ConfigError(
                'the config has no pseudo_labels=dict(rule=..., pipeline=...);'
                ' inherit from one in configs/esl'
            )
        known = {f.name: f for f in fields(cls)}
        for key in given:
            if key not in known:
                raise ConfigError(
                    f"pseudo_labels: there is no '{key}'"
                    f'{did_you_mean(key, known)}'
                )
        for key in ('rule', 'pipeline'):
            if not given.get(key):
                raise ConfigError(f'pseudo_labels: {key} is missing')
        plain = copy.deepcopy(dict(given))
        return cls(**plain)

    def saved(self) -> dict:
        """Options that the files depend on, as the manifest holds them."""
        saved = asdict(self)
        for name in ('rule', *_SPEED, 'ground_truth'):
            del saved[name]
        return saved | {'ego_mask': EgoMask(self.ego_mask).digest}

    @property
    def threads(self) -> int:
        """Threads that write files."""
        return self.write_threads or min(os.cpu_count() or 1, 8)

    def predictor(self, model: nn.Module) -> Predictor:
        """Predictor of a model with these options; puts it in eval mode."""
        return Predictor(
            model.eval(),
            self.order,
            self.combination,
            self.original_size,
            self.soft_top_k is not None,
        )

    def build_rule(self) -> SelectionRule:
        """The selection rule.

        Raises:
            ConfigError: It is unknown or wrong.
        """
        check_config_keys({'pseudo_labels': {'rule': self.rule}})
        kind = self.rule.get('type')
        if PSEUDO_LABEL_RULES.get(str(kind)) is None:
            rules = sorted(PSEUDO_LABEL_RULES.module_dict)
            raise ConfigError(
                f"pseudo_labels.rule.type: no rule '{kind}'; there are {rules}"
            )
        rule = PSEUDO_LABEL_RULES.build(dict(self.rule))
        if self.combination == 'max' and rule.score == 'entropy':
            raise ConfigError(
                "pseudo_labels.combination='max' gives no distribution whose "
                'entropy could be taken; choose a rule on confidence, or '
                "combination='sum'"
            )
        return rule
