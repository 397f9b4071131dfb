# Copyright (c) mmuda authors.
"""What training sees and makes of it, without training."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from mmuda.evaluation.training_pictures import input_tiles, shown_tiles
from mmuda.models.batch import Batch, prepared_batch
from mmuda.models.uda import BaseUDA
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID, LABELLED
from mmuda.utils.seeds import mix_seed, seed_all

Tiles = dict[str, np.ndarray]


@dataclass(frozen=True)
class TrainingSample:
    """What an iteration sees.

    Attributes:
        iteration: Its number, from 1.
        tiles: Pictures of the first image of each domain, by domain and
            title.
        files: The files of these images, by domain.
        pixels: (256,) pixels of each class, 255 without, of all images of
            the batch, by what they were counted in.
        shares: Part of the pixels that a teacher is sure of, by target.
    """

    iteration: int
    tiles: dict[str, Tiles]
    files: dict[str, str]
    pixels: dict[str, np.ndarray]
    shares: dict[str, float] = field(default_factory=dict)


def training_loader(cfg: Config, seed: int) -> DataLoader:
    """The loader of a training, in this process.

    Args:
        cfg: A training config; it is not changed.
        seed: Of the order of the images and of what is random in pipelines.

    Raises:
        ConfigError: The config has no ``train_dataloader`` of domains.
    """
    config = copy.deepcopy(cfg.get('train_dataloader'))
    if not config:
        raise ConfigError('the config has no train_dataloader')
    config.update(num_workers=0, persistent_workers=False)
    config.pop('prefetch_factor', None)
    loader = Runner.build_dataloader(config, seed=seed)
    if not hasattr(loader.dataset, 'domains'):
        raise ConfigError(
            f'train_dataloader.dataset is a {type(loader.dataset).__name__}; '
            "what is shown here are the domains of a 'DomainDataset'"
        )
    # As UDATrainLoop does.
    own = getattr(loader.dataset, 'collate_fn', None)
    if own and getattr(loader.collate_fn, 'func', None) is pseudo_collate:
        loader.collate_fn = own
    return loader


def training_samples(
    loader: DataLoader,
    model: BaseUDA,
    count: int,
    start: int = 0,
    seed: int = 0,
    runs_method: bool = True,
) -> Iterator[TrainingSample]:
    """Yield what the next iterations see, as a training would.

    The images, their order and all that is random are those of a training of
    one process with this seed. No weight changes; running statistics of
    batch norms count, as they would.

    Args:
        loader: See :func:`training_loader`.
        model: In training its weights would be those of iteration ``start``.
        count: How many iterations.
        start: Iterations before the first one.
        seed: Of the training.
        runs_method: Let the method mix, mask and label; else only what the
            loader gives is shown.
    """
    sampler = loader.sampler
    if hasattr(sampler, 'skip'):
        sampler.skip(start * (loader.batch_size or 1))
    model.train()
    for iteration, data in enumerate(islice(loader, count), start):
        seed_all(mix_seed(seed, iteration, 0))
        with at_iteration(iteration), torch.no_grad():
            batch = prepared_batch(data, model)
            shown = model.preview(batch) if runs_method else {}
        yield _sample_of(iteration + 1, data, batch, shown, model)


@contextmanager
def at_iteration(iteration: int) -> Iterator[None]:
    """Let a model know that so many iterations are finished, in a block.

    Args:
        iteration: Their number.
    """
    hub = MessageHub.get_current_instance()
    before = hub.get_info('iter', 0)
    hub.update_info('iter', iteration)
    try:
        yield
    finally:
        hub.update_info('iter', before)


def _sample_of(
    iteration: int,
    data: Mapping,
    batch: Batch,
    shown: Mapping[str, dict[str, Tensor]],
    model: BaseUDA,
) -> TrainingSample:
    palette = data_palette(model)
    tiles: dict[str, Tiles] = {}
    for domain, images in data['inputs'].items():
        sample = data['data_samples'][domain][0]
        tiles[domain] = input_tiles(images[0], sample, palette)
        maps = shown.get(domain, {})
        made = shown_tiles(
            maps, images[0].shape[1:], model.data_preprocessor, palette
        )
        if 'pseudo-label' in tiles[domain]:
            made = {_beside_stored(k): tile for k, tile in made.items()}
        tiles[domain] |= made
    files = {
        domain: str(samples[0].get('img_path', ''))
        for domain, samples in data['data_samples'].items()
    }
    shares = {
        name: float(labelled.share)
        for name, labelled in batch.pseudo_labelled.items()
        if labelled.share is not None
    }
    return TrainingSample(
        iteration, tiles, files, _pixels(batch, shown), shares
    )


def _beside_stored(title: str) -> str:
    """Pseudo-labels of files and of a teacher may be there at once."""
    return "teacher's label" if title == 'pseudo-label' else title


def data_palette(model: BaseUDA) -> list:
    """Colours of the classes that a model was told; see ``dataset_meta``."""
    assert model.dataset_meta is not None, 'told before samples are drawn'
    return list(model.dataset_meta['palette'])


def _pixels(
    batch: Batch, shown: Mapping[str, dict[str, Tensor]]
) -> dict[str, np.ndarray]:
    found = {}
    for name, part in batch.domains.items():
        if part.labels is not None:
            words = 'labels' if name in LABELLED else 'pseudo-labels'
            found[f'{name}, {words}'] = part.labels
    for name, labelled in batch.pseudo_labelled.items():
        if labelled.labels is not None:
            found[f"{name}, teacher's labels"] = labelled.labels
    for name, maps in shown.items():
        if 'mixed_label' in maps:
            found[f'{name}, mixed labels shown'] = maps['mixed_label']
    return {name: class_counts(labels) for name, labels in found.items()}


def class_counts(labels: Tensor) -> np.ndarray:
    """Pixels of each class.

    Args:
        labels: Train ids of any shape, 255 where a pixel has none.

    Returns:
        (256,) numbers.
    """
    return torch.bincount(labels.flatten().long(), minlength=256).cpu().numpy()


@dataclass(frozen=True)
class DrawnClasses:
    """Classes of all samples together.

    Attributes:
        ratios: (K,) part of the labelled pixels that each class has, by what
            was counted.
        ignored: Part of all pixels without a label.
        images: Batches in which a class occurs, (K,).
    """

    ratios: dict[str, np.ndarray]
    ignored: dict[str, float]
    images: dict[str, np.ndarray]


def drawn_classes(
    samples: list[TrainingSample], num_classes: int
) -> DrawnClasses:
    """Count the classes of all samples.

    Args:
        samples: At least one.
        num_classes: Number K of classes.
    """
    totals: dict[str, np.ndarray] = {}
    occurs: dict[str, np.ndarray] = {}
    for sample in samples:
        for name, pixels in sample.pixels.items():
            totals[name] = totals.get(name, 0) + pixels
            has = (pixels[:num_classes] > 0).astype(int)
            occurs[name] = occurs.get(name, 0) + has
    ratios, ignored = {}, {}
    for name, pixels in totals.items():
        ignored[name] = float(pixels[IGNORE_ID] / pixels.sum())
        known = pixels[:num_classes]
        ratios[name] = known / max(known.sum(), 1)
    return DrawnClasses(ratios, ignored, occurs)
