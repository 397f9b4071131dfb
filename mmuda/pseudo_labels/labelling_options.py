# Copyright (c) mmuda authors.
"""The key ``pseudo_labels`` of a config."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated

from mmengine.config import Config
from torch import nn

from mmuda.datasets.pseudo_labels.pseudo_label_store import read_accuracy
from mmuda.models.players import unwrap
from mmuda.models.segmentors.ensemble import members
from mmuda.registry import PSEUDO_LABEL_RULES
from mmuda.utils.checks import whole_number
from mmuda.utils.config_data import dataset_leaves, target_images
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_values import check_config, check_fields
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import Precision
from mmuda.utils.names import SOURCE
from mmuda.utils.threads import usable_cores

from .predictor import (
    Combination,
    EgoMask,
    Order,
    Predictor,
    slides,
)
from .rules import SelectionRule

_SPEED = ('batch_size', 'num_workers', 'write_threads')
# They don't change the labels.
_BESIDE = ('ground_truth', 'label_free')
# Manifests of earlier versions don't have them: they are saved if they are
# others than these.
_LATER = {
    'image_statistics': False,
    'keep_scores': False,
    'precision': 'fp32',
}
_RANDOM = (
    'Random',
    'PhotoMetricDistortion',
    'ColorJitter',
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
        image_statistics: Also save how many pixels of each class each image
            keeps, and how sure they are; for rules on confidence.
        keep_scores: Also save the confidence of each kept pixel, from which
            labels of two models are merged.
        ground_truth: ``data_prefix.seg_map_path`` of the target's labels, for
            measuring the accuracy of pseudo-labels only.
        precision: In which networks compute: ``fp32``, ``bf16`` or ``fp16``.
        label_free: Also write ``label_free.json``, scores that need no labels
            (not of sliding windows).

    Raises:
        ConfigError: A value is unknown or outside its range.
    """

    rule: dict
    pipeline: list
    order: Order = 'softmax_first'
    combination: Combination = 'sum'
    original_size: bool = False
    bins: Annotated[int, whole_number(4096, 65536)] = 4096
    ego_mask: str | None = None
    soft_top_k: Annotated[int, whole_number(0, 255)] | None = None
    batch_size: Annotated[int, whole_number(1, 1024)] = 1
    num_workers: Annotated[int, whole_number(0, 1024)] = 4
    write_threads: Annotated[int, whole_number(0, 1024)] = 0
    ground_truth: str | None = None
    image_statistics: bool = False
    keep_scores: bool = False
    precision: Precision = 'fp32'
    label_free: bool = True

    def __post_init__(self) -> None:
        check_fields(type(self), vars(self), 'pseudo_labels')
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
        if not isinstance(given, Mapping):
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
                raise ConfigError(
                    f'pseudo_labels: {key} is missing; see '
                    'docs/pseudo_labels.md'
                )
        plain = copy.deepcopy(dict(given))
        rule = plain['rule']
        if isinstance(rule, dict) and isinstance(rule.get('precision'), str):
            # Read now, so that the manifest says what it was.
            rule['precision'] = read_precision(rule['precision'])
        return cls(**plain)

    def saved(self) -> dict:
        """Options that the files depend on, as the manifest holds them."""
        saved = asdict(self)
        unset = [name for name, old in _LATER.items() if saved[name] == old]
        for name in ('rule', *_SPEED, *_BESIDE, *unset):
            del saved[name]
        return saved | {'ego_mask': EgoMask(self.ego_mask).digest}

    @property
    def threads(self) -> int:
        """Threads that write files."""
        return self.write_threads or min(usable_cores(), 8)

    def predictor(self, model: nn.Module) -> Predictor:
        """Predictor of a model with these options; puts it in eval mode."""
        whole = not any(map(slides, members(unwrap(model))[0]))
        return Predictor(
            model.eval(),
            self.order,
            self.combination,
            self.original_size,
            self.soft_top_k is not None or (self.label_free and whole),
            self.precision,
        )

    def build_rule(
        self, classes: Sequence[str] | None = None
    ) -> SelectionRule:
        """The selection rule.

        Args:
            classes: Names of the classes, which put in order what the config
                gives by name.

        Raises:
            ConfigError: It is unknown or wrong.
        """
        check_config({'pseudo_labels': {'rule': self.rule}})
        kind = self.rule.get('type')
        if PSEUDO_LABEL_RULES.get(str(kind)) is None:
            rules = sorted(PSEUDO_LABEL_RULES.module_dict)
            raise ConfigError(
                f"pseudo_labels.rule.type: no rule '{kind}'; there are {rules}"
            )
        values = in_class_order(self.rule, classes)
        rule = PSEUDO_LABEL_RULES.build(values)
        if self.image_statistics and rule.score != 'confidence':
            raise ConfigError(
                f'pseudo_labels.image_statistics: {kind} is no rule on '
                'confidence; choose one, or image_statistics=False'
            )
        if self.combination == 'max' and rule.score == 'entropy':
            raise ConfigError(
                "pseudo_labels.combination='max' gives no distribution whose "
                'entropy could be taken; choose a rule on confidence, or '
                "combination='sum'"
            )
        return rule


def read_precision(path: str) -> dict[str, float | None]:
    """How many labels of each class were right, of labels that are measured.

    Args:
        path: ``accuracy.json`` of a folder of pseudo-labels.

    Returns:
        Part in [0, 1] by class name; None for one that nothing was labelled.

    Raises:
        DataError: The file is missing or damaged.
    """
    content = read_accuracy(
        path,
        'label images with pseudo_labels.ground_truth, keep all labels, and '
        'name accuracy.json of that folder',
    )
    percents = {
        name: values['precision']
        for name, values in content['classes'].items()
    }
    return {
        name: None if value is None else value / 100
        for name, value in percents.items()
    }


def in_class_order(rule: Mapping, classes: Sequence[str] | None) -> dict:
    """Turn what the config of a rule gives by class name into lists.

    Args:
        rule: Config of a rule.
        classes: Names of the classes in order; None changes nothing.

    Raises:
        ConfigError: A class is missing or unknown.
    """
    values = dict(rule)
    for key, by_name in rule.items():
        if classes is None or not isinstance(by_name, Mapping):
            continue
        missing = [name for name in classes if name not in by_name]
        unknown = [name for name in by_name if name not in classes]
        if missing or unknown:
            what = 'lacks' if missing else 'has the unknown'
            raise ConfigError(
                f'pseudo_labels.rule.{key} {what} class '
                f"'{(missing or unknown)[0]}'; the classes are "
                f'{", ".join(classes)}'
            )
        values[key] = [by_name[name] for name in classes]
    return values


def dataset_to_label(
    cfg: Config, pipeline: list, domain: str = 'target'
) -> dict | list:
    """Config of a domain's training images with another pipeline.

    Args:
        cfg: A training config.
        pipeline: Takes the place of the domain's pipeline.
        domain: Name of the target; or ``source``, whose labels tell how right
            pseudo-labels of each class are. What draws among its images is
            left out.

    Raises:
        ConfigError: The config has no such target.
    """
    targets = target_images(cfg)
    if domain == SOURCE:
        leaves = dataset_leaves(cfg.train_dataloader.dataset.source)
        return _with_pipeline([*leaves], pipeline)
    if domain not in targets:
        known = ', '.join([*sorted(targets), SOURCE])
        raise ConfigError(
            f"--domain '{domain}': the config trains on {known} alone; name "
            'one of these, or a config that trains on the target'
        )
    return _with_pipeline(targets[domain], pipeline)


def target_names(cfg: Config) -> list[str]:
    """Names of the targets of a training config."""
    return list(target_images(cfg))


def ground_truth_of(dataset: dict | list, folder: str) -> dict | list:
    """The same data set with its labels, for measuring only.

    Args:
        dataset: What :func:`dataset_to_label` gave.
        folder: ``data_prefix.seg_map_path``.

    Returns:
        Config whose samples hold ``gt_seg_map`` in the size of the file.
    """
    if isinstance(dataset, list):
        return [ground_truth_of(part, folder) for part in dataset]
    for key in ('dataset', 'datasets'):
        if key in dataset:
            return dict(
                dataset, **{key: ground_truth_of(dataset[key], folder)}
            )
    labelled = copy.deepcopy(dict(dataset))
    labelled['data_prefix'] = dict(
        labelled.get('data_prefix') or {}, seg_map_path=folder
    )
    transforms = [t for t in labelled['pipeline'] if 'Pack' not in t['type']]
    load = dict(type='LoadLabels', resize_mismatch=True)
    return dict(labelled, pipeline=[*transforms, load])


def _with_pipeline(dataset: Mapping | list, pipeline: list) -> dict | list:
    if isinstance(dataset, (list, tuple)):
        return [_with_pipeline(part, pipeline) for part in dataset]
    for key in ('dataset', 'datasets'):
        if key in dataset:
            part = _with_pipeline(dataset[key], pipeline)
            return dict(dataset, **{key: part})
    changed = copy.deepcopy(dict(dataset))
    return dict(changed, pipeline=copy.deepcopy(list(pipeline)))
