# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What an image of a procedure costs on this machine."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.color.lab_uint8 import in_style, style_of
from mmuda.datasets.images.image_io import read_image
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.sets.missing_labels import missing_labels
from mmuda.pseudo_labels.labelling_jobs import build_images
from mmuda.pseudo_labels.labelling_options import (
    dataset_to_label,
    target_names,
)
from mmuda.registry import DATASETS, MODELS
from mmuda.translation.lab_images import encode_image
from mmuda.utils.names import SOURCE

from .stage import Measured


@dataclass(frozen=True)
class Costs:
    """Measured on this machine.

    Attributes:
        train: Seconds to train on one image.
        label: Seconds to label one image.
        translate: Seconds to translate one image.
        checkpoint: Bytes of the checkpoints that a training leaves.
        pixels: Of a label.
        source_bytes: Bytes of the images of each data set of the source.
        targets: Number of images by target.
        sources: Number of images of each data set of the source.
        validation: Number of images with validation labels.
    """

    train: float
    label: float
    translate: float
    checkpoint: int
    pixels: int
    source_bytes: tuple[int, ...]
    targets: Mapping[str, int]
    sources: tuple[int, ...]
    validation: int = 0


def measure_costs(measured: Measured) -> Costs:
    """Train and label once, with the data of a procedure.

    Args:
        measured: Of the procedure, whose data must be there.
    """
    training, labelling = measured.training, measured.labelling
    model = MODELS.build(training.model).to(get_device())
    seconds = _training_seconds(training, model)
    state = sum(
        value.numel() * value.element_size()
        for value in model.state_dict().values()
    )
    label, pixels = _labelling_seconds(labelling, model)
    sources = [image_files(leaf) for leaf in measured.translated]
    return Costs(
        train=seconds / batch_images(training),
        label=label,
        translate=_translation_seconds(sources[0][0]) if sources else 0.0,
        # weights and the optimizer's momentum, of the two newest
        checkpoint=4 * state,
        pixels=pixels,
        source_bytes=tuple(sum(map(os.path.getsize, s)) for s in sources),
        targets={
            name: len(build_images(dataset_to_label(labelling, [], name)))
            for name in target_names(labelling)
        },
        sources=tuple(map(len, sources)),
        validation=_validation_images(labelling),
    )


def batch_images(cfg: Config) -> int:
    """Images that an iteration of a training runs through the network."""
    dataset = cfg.train_dataloader.dataset
    counts = dict(dataset.get('samples') or {})
    total = counts.get(SOURCE, 1)
    if not cfg.model.get('class_mix'):
        total += sum(counts.get(name, 1) for name in target_names(cfg))
    return total * cfg.train_dataloader.batch_size


def image_files(config: dict) -> list[str]:
    """Image files of a data set, absolute.

    Args:
        config: Of the data set; its pipeline is not run.
    """
    dataset: SegmentationDataset = DATASETS.build({**config, 'pipeline': []})
    paths = (
        dataset.get_data_info(index)['img_path']
        for index in range(len(dataset))
    )
    return [os.path.abspath(path) for path in paths]


def _validation_images(cfg: Config) -> int:
    given = cfg.get('val_dataloader') or []
    loaders = given if isinstance(given, list) else [given]
    return sum(
        len(DATASETS.build(loader.dataset))
        for loader in loaders
        if not missing_labels(loader.dataset)
    )


def _training_seconds(cfg: Config, model: BaseSegmentor) -> float:
    loader = {**cfg.train_dataloader, 'num_workers': 0}
    loader.pop('persistent_workers', None)
    loader['collate_fn'] = dict(type='domain_collate')
    data = next(iter(Runner.build_dataloader(loader, seed=0)))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    model.train_step(data, wrapper)
    start = time.monotonic()
    model.train_step(data, wrapper)
    _synchronise()
    return time.monotonic() - start


def _labelling_seconds(cfg: Config, model: BaseSegmentor) -> tuple[float, int]:
    pipeline = cfg.pseudo_labels['pipeline']
    config = dataset_to_label(cfg, pipeline, target_names(cfg)[0])
    dataset = build_images(config)
    model.eval()
    start = time.monotonic()
    sample = dataset[0]
    height, width = sample['data_samples'].ori_shape
    batch = {key: [value] for key, value in sample.items()}
    with torch.inference_mode():
        model.test_step(batch)
    _synchronise()
    return time.monotonic() - start, height * width


def _translation_seconds(file: str) -> float:
    image = read_image(file)
    start = time.monotonic()
    style = style_of(image)
    encode_image(in_style(read_image(file), style), '.png')
    return time.monotonic() - start


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
