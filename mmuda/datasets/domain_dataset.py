# Copyright (c) mmuda authors.
"""Samples of every domain, chosen by the sampler."""

import math
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations
from mmengine.registry import FUNCTIONS
from torch.utils.data import Dataset

from mmuda.datasets.concatenation import concatenate
from mmuda.datasets.segmentation_dataset import (
    SegmentationDataset,
    require_same_classes,
)
from mmuda.datasets.transforms.cached_steps import (
    cache_first_steps,
    open_cache,
)
from mmuda.datasets.transforms.image_loading import LoadLabels
from mmuda.registry import DATASETS
from mmuda.utils.checks import COUNT
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.names import LABELLED, LABELLED_TARGET, SOURCE, TARGET

DatasetConfig = Mapping[str, Any] | Dataset | Sequence[Any]


class DomainIndex(NamedTuple):
    """What ``DomainInfiniteSampler`` yields for one training item.

    Attributes:
        indices: One index for each domain, in the order of
            ``DomainDataset.domains``; several for one with several samples.
        seed: Seed of the random transforms, at least 0.
    """

    indices: tuple[int | tuple[int, ...], ...]
    seed: int


@DATASETS.register_module()
class DomainDataset(Dataset):
    """Samples of the source and of one or more targets, side by side.

    An item is ``{'inputs': {domain: (3, H, W) uint8}, 'data_samples':
    {domain: SegDataSample}}`` with the domains ``source`` and ``target``, or
    the nick names of several targets, and ``labelled_target``. A domain with
    several samples in an item has lists, which ``domain_collate`` puts into
    one batch.

    An item depends on its ``DomainIndex`` only:
    random transforms are seeded by it, so neither the number of workers nor a
    resumed run changes the data, and the process's random states are left
    alone.

    Args:
        source: Config of the labelled data set, or None. A list of configs
            is one domain made of all of them.
        target: Config of a single target; its domain is called ``target``.
        targets: Nick name to config, if there are several targets.
        samples: Samples of each domain in one item, by name, such as
            ``dict(source=1, target=3)``; one of those it leaves out. With a
            ``batch_size`` of B there are B times as many in a batch. A number
            for ``source`` or ``target`` has no effect where the config has
            left that domain out.
        labelled_target: Config of a few images of a target with labels, which
            are learned as those of the source; its domain comes last, so that
            the others have the same samples as without it.
        image_cache: ``dict(folder=..., max_gb=...)`` keeps images of all
            domains there as they are after the first steps of their
            pipelines, those without chance; see ``ImageCache``.

    Raises:
        ConfigError: If the domains are badly named, disagree in classes, a
            target's pipeline loads labels, or ``samples`` names no domain or
            a number below 1.
        DataError: If a domain is empty or its data is incomplete.
    """

    def __init__(
        self,
        source: DatasetConfig | None = None,
        target: DatasetConfig | None = None,
        targets: Mapping[str, DatasetConfig] | None = None,
        samples: Mapping[str, int] | None = None,
        image_cache: Mapping[str, Any] | None = None,
        labelled_target: DatasetConfig | None = None,
    ) -> None:
        configs = _name_domains(source, target, targets)
        if labelled_target is not None:
            configs[LABELLED_TARGET] = labelled_target
        absent = (LABELLED_TARGET, *(() if targets else (SOURCE, TARGET)))
        numbers = samples_per_item(samples, configs, absent)
        self.samples = tuple(numbers.values())
        self.domains: dict[str, SegmentationDataset] = {
            name: build_domain(name, config)
            for name, config in configs.items()
        }
        require_same_classes(self.domains)
        for name, dataset in self.domains.items():
            if len(dataset) == 0:
                raise DataError(f'domain {name!r} has no images')
            if name not in LABELLED:
                _require_no_labels(name, dataset)
        if image_cache is not None:
            cache = open_cache(image_cache)
            for dataset in self.domains.values():
                for leaf in leaf_datasets(dataset):
                    cache_first_steps(leaf, cache)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of images of each domain, in the order of ``domains``."""
        return tuple(len(dataset) for dataset in self.domains.values())

    @property
    def metainfo(self) -> dict:
        """Classes and palette, which all domains share."""
        return next(iter(self.domains.values())).metainfo

    def full_init(self) -> None:
        """List the files of domains that were built with ``lazy_init``."""
        for dataset in self.domains.values():
            dataset.full_init()

    @property
    def collate_fn(self) -> Callable[[Sequence], dict]:
        """What makes a batch of items; the training loop asks for it."""
        return domain_collate

    def __len__(self) -> int:
        """Items of an epoch: until every domain was passed through once."""
        pairs = zip(self.sizes, self.samples, strict=True)
        return max(math.ceil(size / number) for size, number in pairs)

    def __getitem__(self, index: DomainIndex) -> dict[str, dict]:
        """Load the samples of every domain.

        A domain whose index is a tuple has lists of so many samples.

        Raises:
            ConfigError: If the index is not a ``DomainIndex``, or a target
                sample has ground truth.
        """
        if not isinstance(index, DomainIndex):
            raise ConfigError(
                f'DomainDataset got the index {index!r}; set sampler=dict('
                "type='DomainInfiniteSampler') in train_dataloader"
            )
        item: dict[str, dict] = {'inputs': {}, 'data_samples': {}}
        with preserved_random_states():
            for position, name in enumerate(self.domains):
                chosen = index.indices[position]
                words = index.seed, position
                if isinstance(chosen, tuple):
                    sample = self._load_several(name, chosen, words)
                else:
                    sample = self._load(name, chosen, words)
                for key, value in item.items():
                    value[name] = sample[key]
        return item

    def _load(self, name: str, index: int, words: tuple[int, ...]) -> dict:
        """Load a sample of a domain, its transforms seeded by some words."""
        seed_random_states(*words)
        sample = self.domains[name][index]
        if name not in LABELLED and 'gt_sem_seg' in sample.get(
            'data_samples', ()
        ):
            raise ConfigError(_label_leak(name))
        if 'inputs' not in sample:
            raise ConfigError(
                f'domain {name!r}: the pipeline does not end in a transform '
                "that packs images for the network, such as dict(type='"
                "PackDomainInputs')"
            )
        return sample

    def _load_several(
        self, name: str, indices: tuple[int, ...], words: tuple[int, ...]
    ) -> dict[str, list]:
        """Load samples of a domain, the first as if it were alone."""
        samples = [
            self._load(name, index, (*words, count) if count else words)
            for count, index in enumerate(indices)
        ]
        return {
            key: [sample[key] for sample in samples]
            for key in ('inputs', 'data_samples')
        }


def iter_leaves(
    name: str, dataset: SegmentationDataset
) -> Iterator[tuple[str, SegmentationDataset]]:
    """Yield the data sets that a domain is made of, without wrappers.

    Args:
        name: Name of the domain.
        dataset: Its data set; those of a concatenation are numbered.
    """
    parts = getattr(dataset, 'datasets', None)
    if parts is not None:
        for number, part in enumerate(parts):
            yield from iter_leaves(f'{name}[{number}]', part)
    elif hasattr(dataset, 'dataset'):
        yield from iter_leaves(name, dataset.dataset)
    else:
        yield name, dataset


def leaf_datasets(
    dataset: SegmentationDataset,
) -> Iterator[SegmentationDataset]:
    """Yield the data sets inside concatenated and wrapped ones."""
    for _, leaf in iter_leaves('', dataset):
        yield leaf


def iter_transforms(node: Any) -> Iterator[Any]:
    """Yield a data set or transform and all those nested in it."""
    yield node
    for attribute in ('dataset', 'datasets', 'pipeline', 'transforms'):
        child = getattr(node, attribute, None)
        if child is None:
            continue
        for part in child if isinstance(child, list | tuple) else [child]:
            yield from iter_transforms(part)


def _name_domains(
    source: DatasetConfig | None,
    target: DatasetConfig | None,
    targets: Mapping[str, DatasetConfig] | None,
) -> dict[str, DatasetConfig]:
    """Return the config of every domain, source first."""
    if target is not None and targets:
        raise ConfigError(
            'DomainDataset got target and targets; name all targets in '
            'targets=dict(nick_name=config, ...)'
        )
    named: dict[str, DatasetConfig] = dict(targets or {})
    if target is not None:
        named = {TARGET: target}
    for name in LABELLED:
        if name in named:
            raise ConfigError(
                f'a target is called {name!r}; choose another nick name'
            )
    if source is not None:
        named = {SOURCE: source, **named}
    if not named:
        raise ConfigError(
            'DomainDataset has no domain; give source, target or targets'
        )
    return named


def build_domain(
    name: str | None, config: DatasetConfig
) -> SegmentationDataset:
    """Build the data set of a domain.

    Args:
        name: Of the domain, for messages; None if the caller adds it.
        config: Of a data set, or several to concatenate.

    Raises:
        ConfigError: The config is wrong, or classes of several differ.
    """
    if isinstance(config, Dataset):
        # Those of mmengine and ours have more than a bare one of torch.
        return cast(SegmentationDataset, config)
    if isinstance(config, Mapping):
        try:
            return DATASETS.build(config)
        except (ConfigError, DataError) as error:
            if name is None:
                raise
            # Several targets may lie in folders of the same names.
            raise type(error)(f'domain {name!r}: {error}') from error
    if not isinstance(config, Sequence) or not config:
        raise ConfigError(
            f'{f"domain {name!r}" if name else "dataset"} must be a dataset '
            f'config or a list of them, got {config!r}'
        )
    parts = [build_domain(name, part) for part in config]
    return concatenate(name or 'dataset', parts)


def _require_no_labels(name: str, dataset: SegmentationDataset) -> None:
    """Raise a ConfigError if the pipeline of a target loads ground truth."""
    if any(
        isinstance(transform, LoadLabels | LoadAnnotations)
        for transform in iter_transforms(dataset)
    ):
        raise ConfigError(_label_leak(name))


def _label_leak(name: str) -> str:
    return (
        f'target domain {name!r} loads ground truth, which unsupervised '
        'training must not see; remove LoadLabels or LoadAnnotations from '
        'its pipeline (a few labelled images of a target are labelled_target)'
    )


@FUNCTIONS.register_module()
def domain_collate(
    data_batch: Sequence[Mapping[str, Mapping[str, Any]]],
) -> dict[str, dict[str, list]]:
    """Put the samples of some items into one list for each domain.

    The same as mmengine's ``pseudo_collate`` if items hold one sample of each
    domain. ``UDATrainLoop`` chooses it by itself; with another loop set
    ``collate_fn=dict(type='domain_collate')`` in ``train_dataloader``.

    Args:
        data_batch: Items of a ``DomainDataset``; a domain's entry is a sample
            or a list of them.

    Returns:
        ``{'inputs': {domain: list}, 'data_samples': {domain: list}}``, item
        after item.
    """
    return {
        key: {
            domain: [
                sample
                for item in data_batch
                for sample in _as_list(item[key][domain])
            ]
            for domain in domains
        }
        for key, domains in data_batch[0].items()
    }


def samples_per_item(
    samples: Mapping[str, int] | None,
    domains: Collection[str],
    absent: Collection[str] = (),
) -> dict[str, int]:
    """Return the number of samples of each domain in an item.

    Args:
        samples: Numbers by domain; domains that it leaves out have one.
        domains: Names of the domains.
        absent: Further names that may be given: of domains that a config
            has left out.

    Raises:
        ConfigError: If a domain is unknown, or a number is not positive.
    """
    samples = dict(samples or {})
    for name, number in samples.items():
        if name not in domains and name not in absent:
            raise ConfigError(
                f"samples: there is no domain '{name}'"
                f'{did_you_mean(name, domains)}; the domains are '
                f'{", ".join(domains)}'
            )
        COUNT.require(number, f'samples.{name}')
    return {name: samples.get(name, 1) for name in domains}


def _as_list(samples: Any) -> Sequence[Any]:
    return samples if isinstance(samples, (list, tuple)) else [samples]


def seed_random_states(*words: int) -> None:
    """Seed what transforms draw from by some numbers, each at least 0."""
    state = np.random.SeedSequence(words).generate_state(1)
    value = int(state[0])
    random.seed(value)
    np.random.seed(value)
    # Not torch.manual_seed, which would also reach for the accelerator.
    torch.default_generator.manual_seed(value)


@contextmanager
def preserved_random_states() -> Iterator[None]:
    """Restore the random states of the process at the end."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.default_generator.set_state(torch_state)
