# Copyright (c) mmuda authors.
"""Batch-norm statistics of a target, measured on its unlabelled images."""

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import groupby
from typing import Annotated, Any, cast

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from mmseg.models.segmentors.base import BaseSegmentor
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from mmuda.models.norm_statistics import (
    Statistics,
    counted_norms,
    measured_statistics,
    running_norms,
    set_statistics,
    statistics_of,
)
from mmuda.models.segmentors.ensemble import members
from mmuda.registry import DATASETS
from mmuda.utils.checks import COUNT, whole_number
from mmuda.utils.config_data import (
    LABEL_LOADERS,
    data_sets,
    dataset_leaves,
    target_images,
)
from mmuda.utils.config_keys import type_name
from mmuda.utils.config_values import check_fields
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import AT_INPUT_SIZE
from mmuda.utils.names import UNSEEN

_PLACE = 'model.norm_statistics'


@dataclass
class TargetStatistics:
    """How running statistics of a target are measured.

    Adaptive batch normalisation (AdaBN, Li et al. 2016) with the shared scales
    and shifts of training; see
    :func:`~mmuda.models.norm_statistics.measured_statistics`. The images are
    spread evenly over the training images of each target, which share the
    number, and shown as in validation, without labels.

    Attributes:
        images: How many, if there are so many.
        batch_size: Images that are normalised together; those of one size.
        num_workers: Processes that load images.
        pipeline: Transforms of the images, without labels; by default that of
            the validation, or of the test, without what reads labels.
        datasets: Data sets of images by target; by default the targets of
            ``train_dataloader``, or ``unseen_targets`` of the config, where
            its setting names those of a training on the source alone.
        frozen: Whether norms that training leaves alone (``norm_eval``) are
            measured, too.

    Raises:
        ConfigError: A value is out of its range.
    """

    images: Annotated[int, COUNT] = 256
    batch_size: Annotated[int, whole_number(1, 1024)] = 4
    num_workers: Annotated[int, whole_number(0, 256)] = 2
    pipeline: list | None = None
    datasets: dict | None = None
    frozen: bool = False
    _batches: list[list[int]] = field(init=False, repr=False)
    _images: Dataset | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        check_fields(type(self), given, _PLACE)

    @property
    def is_prepared(self) -> bool:
        """Whether the images are known."""
        return self._images is not None

    def prepare(self, cfg: Config | Mapping[str, Any]) -> None:
        """Find the images.

        Args:
            cfg: A whole config.

        Raises:
            ConfigError: It names no target, or does not say how it is shown.
            DataError: There are no images.
        """
        parts = self.datasets or target_images(cfg) or cfg.get(UNSEEN)
        if not parts:
            raise ConfigError(
                f'{_PLACE}: train_dataloader.dataset has no target to measure '
                "statistics on; set norm_statistics=dict(mode='target', "
                'datasets=dict(target=dict(type=..., ...)))'
            )
        sets = [self._build(cfg, name, part) for name, part in parts.items()]
        share = -(-self.images // len(sets))
        self._batches, first = [], 0
        for dataset in sets:
            places = [first + i for i in spread(len(dataset), share)]
            first += len(dataset)
            self._batches += [
                places[i : i + self.batch_size]
                for i in range(0, len(places), self.batch_size)
            ]
        self._images = ConcatDataset(sets)

    def _build(
        self, cfg: Config | Mapping[str, Any], name: str, dataset: Any
    ) -> Any:
        if not isinstance(dataset, Mapping | list | tuple):
            return dataset
        dataset = copy.deepcopy(dataset)
        pipeline = self.pipeline or _shown_in_validation(cfg, name)
        for leaf in dataset_leaves(dataset):
            leaf['pipeline'] = copy.deepcopy(pipeline)
        if isinstance(dataset, Mapping):
            return DATASETS.build(dataset)
        return DATASETS.build(dict(type='ConcatDataset', datasets=dataset))

    @property
    def count(self) -> int:
        """Number of images that are looked at."""
        return sum(map(len, self._batches))

    def measure(
        self,
        model: BaseSegmentor,
        network: BaseSegmentor,
        together: bool = True,
    ) -> Statistics:
        """Statistics that a network has on the target.

        The network keeps the statistics that it has.

        Args:
            model: Its preprocessor prepares the images.
            network: Without a distributed wrapper; a child of the model, or
                the model itself.
            together: All processes call it, share the images and get the
                same, whatever their number.

        Returns:
            By the names of its buffers; none if it has no batch norm that is
            to be measured.
        """
        names = list(running_norms(network))
        if not self.frozen:
            counted = counted_norms(network)
            names = [name for name in names if name in counted]
        if not names:
            print_log(
                f'{type(network).__name__} has no batch norm that training '
                'counts: there are no statistics of the target to measure',
                'current',
                logging.WARNING,
            )
            return {}
        before = statistics_of(network, names)
        was_training = model.training
        model.eval()
        forward = partial(_show, model, network)
        try:
            return measured_statistics(
                network, names, self._load(together), forward, together
            )
        finally:
            set_statistics(network, before)
            model.train(was_training)

    def _load(self, together: bool) -> Iterator[dict]:
        """Batches of this process, cut where sizes of images change."""
        assert self._images is not None, 'of prepare()'
        own = self._batches
        if together:
            own = own[get_rank() :: get_world_size()]
        loader = DataLoader(
            self._images,
            batch_sampler=own,
            num_workers=min(self.num_workers, len(own)),
            collate_fn=pseudo_collate,
            # The global one is that of the training.
            generator=torch.Generator(),
        )
        for batch in loader:
            pairs = zip(batch['inputs'], batch['data_samples'], strict=True)
            for _, part in groupby(pairs, key=lambda pair: pair[0].shape):
                images, samples = zip(*part, strict=True)
                yield dict(inputs=[*images], data_samples=[*samples])


def measure_missing(
    model: BaseSegmentor,
    options: TargetStatistics,
    cfg: Config | Mapping[str, Any],
    together: bool = True,
) -> None:
    """Let all networks that predict have statistics of the target, in place.

    Args:
        model: A method, an ensemble or a plain network, with trained weights.
        options: How they are measured.
        cfg: A whole config, which names the images.
        together: As of :meth:`TargetStatistics.measure`.
    """
    for part in getattr(model, 'members', [model]):
        if getattr(part, 'has_target_statistics', False):
            continue
        if not options.is_prepared:
            options.prepare(cfg)
        for network in members(part)[0]:
            found = options.measure(model, network, together)
            set_statistics(network, found)
        part.has_target_statistics = True
        print_log(
            'The checkpoint has no statistics of the target: measured on '
            f'{options.count} images',
            'current',
        )


def spread(total: int, count: int) -> list[int]:
    """Places of some out of many, evenly spread, in order.

    Args:
        total: How many there are.
        count: How many are wanted; more than there are gives all.
    """
    count = min(count, total)
    return [i * total // count for i in range(count)]


@torch.no_grad()
def _show(model: BaseSegmentor, network: BaseSegmentor, batch: dict) -> None:
    """Run a network on images as it predicts, by all of its heads."""
    data = model.data_preprocessor(batch, False)
    images, samples = data['inputs'], data['data_samples']
    if network.test_cfg.get('mode', 'whole') == 'slide':
        metas: Sequence[dict] = [sample.metainfo for sample in samples]
        network.slide_inference(images, metas)
    elif hasattr(network, 'heads'):
        network(images, heads=network.heads())
    else:
        network(images)


def _shown_in_validation(
    cfg: Config | Mapping[str, Any], target: str
) -> list[dict]:
    """Transforms of evaluated images of a target, without labels."""
    found = data_sets(cast(Config, cfg))
    names = [f'val.{target}', 'val', f'test.{target}', 'test', *found]
    for name in names:
        if name not in found or name.partition('.')[0] not in ('val', 'test'):
            continue
        leaf = next(dataset_leaves(cast(Any, found[name])))
        steps = [
            step
            for step in leaf.get('pipeline') or []
            if type_name(step) not in (*LABEL_LOADERS, AT_INPUT_SIZE)
        ]
        if steps and 'TestTimeAug' not in map(type_name, steps):
            return steps
    raise ConfigError(
        f'{_PLACE}: no validation or test set says how images are shown; set '
        "norm_statistics=dict(mode='target', pipeline=[...])"
    )
