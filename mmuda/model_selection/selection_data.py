# Copyright (c) mmuda authors.
"""Which images checkpoints are compared on."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.engine.unlabelled import predicting_only
from mmuda.pseudo_labels.labelling_options import (
    dataset_to_label,
    target_names,
)
from mmuda.utils.config_data import data_set, data_sets, dataset_leaves
from mmuda.utils.config_keys import did_you_mean, type_name
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.mixed_precision import Precision
from mmuda.utils.names import SOURCE

Images = Literal['val', 'train']
SOURCE_VAL = 'source_val'
LOADERS = ('LoadLabels', 'LoadAnnotations')
_IMAGES = ('LoadImage', 'LoadImageFromFile', 'CropFraction')
RESIZERS = ('Resize', 'ResizeToFit')


@dataclass(frozen=True)
class Sampling:
    """Which images checkpoints are looked at on.

    Attributes:
        images: ``train`` or ``val`` of the target.
        domain: Name of one of several targets.
        target_count: Images of the target, spread over the set; None for all.
        source_count: Images of the source; None for all.
        second_view_every: One target image in so many is seen twice.
        workers: Processes that load images.
        precision: In which networks compute.
    """

    images: Images = 'train'
    domain: str | None = None
    target_count: int | None = 200
    source_count: int | None = 100
    second_view_every: int = 2
    workers: int = 2
    precision: Precision = 'fp32'


def target_images(
    cfg: Config, images: Images = 'train', domain: str | None = None
) -> SegmentationDataset:
    """Images of a target, seen as in validation, without labels.

    Args:
        cfg: A training config.
        images: ``train`` or ``val``.
        domain: Name of one of several targets.

    Raises:
        ConfigError: The config has no such images, or several targets and
            none is named.
    """
    pipeline = shown_pipeline(cfg, domain)
    if images == 'train':
        name = _only_target(cfg, domain)
        return build_domain(name, dataset_to_label(cfg, pipeline, name))
    loader, _ = predicting_only(dict(dataset=_validation(cfg, domain)), None)
    return build_domain('val', loader['dataset'])


def _only_target(cfg: Config, domain: str | None) -> str:
    """Name of the target that is asked for, or of the only one."""
    names = target_names(cfg)
    if not names:
        raise ConfigError(
            'the config trains on no target; take a config that does, or the '
            "images of its validation (--images val; images='val' of a hook)"
        )
    several = len(names) > 1
    if domain is None and not several:
        return names[0]
    if domain in names:
        return domain
    given = '' if domain is None else f" '{domain}'"
    hint = '' if domain is None else did_you_mean(domain, names)
    raise ConfigError(
        f'--domain{given}: the config has the target{"s" * several} '
        f'{", ".join(names)}{hint}; name '
        + ('one' if several else 'it, or leave the option out')
    )


def source_images(
    cfg: Config, domain: str | None = None
) -> tuple[SegmentationDataset, bool] | None:
    """Labelled images of the source, without what is random.

    Those of training, unless ``source_val`` of the config says what is
    different about held-out ones, such as ``dict(ann_file='val.txt')``.

    Args:
        cfg: A training config.
        domain: Name of the target whose validation says the size of images,
            where the source has no fixed one.

    Returns:
        The images, and whether they are held out; None if the config has no
        labelled source.
    """
    leaves = source_sets(cfg, domain)
    if leaves is None:
        return None
    return build_domain(SOURCE, leaves), bool(cfg.get(SOURCE_VAL))


def source_sets(cfg: Config, domain: str | None = None) -> list[dict] | None:
    """Configs of the data sets of :func:`source_images`; None without any."""
    found = data_sets(cfg).get(SOURCE)
    if found is None:
        return None
    changes = cfg.get(SOURCE_VAL) or {}
    leaves = []
    for leaf in map(copy.deepcopy, dataset_leaves(found)):
        steps = _fixed_steps(leaf.get('pipeline') or [])
        kinds = [type_name(step) for step in steps]
        if not any(kind in LOADERS for kind in kinds):
            return None
        if not any(kind in RESIZERS for kind in kinds):
            steps += [
                step
                for step in shown_pipeline(cfg, domain)
                if type_name(step) in RESIZERS
            ]
        pipeline = [*steps, dict(type='PackDomainInputs')]
        leaves.append(dict(leaf, **changes, pipeline=pipeline))
    return leaves


def chosen_images(
    dataset: SegmentationDataset, sampling: Sampling
) -> list[int]:
    """Indices of the target's images that checkpoints are looked at on.

    Args:
        dataset: Images of the target.
        sampling: How many.

    Raises:
        DataError: There is none.
    """
    indices = spread_indices(len(dataset), sampling.target_count)
    if not indices:
        raise DataError(
            'there is no image of the target to look at; name others by '
            '--images, --domain or the config'
        )
    return indices


def spread_indices(length: int, count: int | None) -> list[int]:
    """Indices of so many images, evenly spread over a set.

    Args:
        length: Number of images in all.
        count: How many; None for all.
    """
    if count is None or count >= length:
        return list(range(length))
    return [length * number // count for number in range(count)]


def loader_of(
    dataset: SegmentationDataset, indices: Sequence[int], workers: int
) -> Iterator[dict]:
    """Load images one by one, with their pipelines in other processes.

    Args:
        dataset: The images.
        indices: Which of them.
        workers: Number of processes.

    Returns:
        Batches of one image, as a data loader gives them.
    """
    loader = DataLoader(
        # All of mmengine are such, and a Protocol cannot say so.
        cast(Dataset, dataset),
        batch_sampler=[[index] for index in indices],
        num_workers=min(workers, len(indices)),
        collate_fn=pseudo_collate,
    )
    return iter(loader)


def _fixed_steps(pipeline: Sequence[dict]) -> list[dict]:
    """What is not random, up to the size of the image."""
    kept = (*_IMAGES, *LOADERS, *RESIZERS)
    return [dict(step) for step in pipeline if type_name(step) in kept]


def _validation(cfg: Config, domain: str | None) -> dict:
    names = [n for n in data_sets(cfg) if n.partition('.')[0] == 'val']
    name = f'val.{domain}' if domain and f'val.{domain}' in names else 'val'
    if name not in names and names and domain is None:
        raise ConfigError(
            '--domain: the config validates on '
            f'{", ".join(n.partition(".")[2] for n in names)}; name one'
        )
    return cast(dict, data_set(cfg, name, '--images'))


def shown_pipeline(cfg: Config, domain: str | None = None) -> list[dict]:
    """Pipeline by which images of a target are shown, without labels.

    Args:
        cfg: A training config.
        domain: Name of one of several targets.

    Returns:
        That of the validation; else of labelling.

    Raises:
        ConfigError: There is neither.
    """
    names = [n for n in data_sets(cfg) if n.partition('.')[0] == 'val']
    if not names:
        pipeline = (cfg.get('pseudo_labels') or {}).get('pipeline')
        if not pipeline:
            raise ConfigError(
                'the config has neither a val_dataloader nor '
                'pseudo_labels.pipeline, which say how images are shown'
            )
        return list(pipeline)
    own = f'val.{domain}' if f'val.{domain}' in names else names[0]
    leaf = next(dataset_leaves(data_sets(cfg)[own]))
    steps = leaf.get('pipeline') or []
    return [step for step in steps if type_name(step) not in LOADERS]
