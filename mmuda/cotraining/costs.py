# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What one image costs in each kind of stage, measured on this machine."""

import os
import time
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmuda.datasets.image_io import read_image
from mmuda.datasets.lab_colors import in_style, style_of
from mmuda.datasets.lab_images import encode_image
from mmuda.datasets.missing_labels import missing_labels
from mmuda.pseudo_labels.target_data import dataset_to_label
from mmuda.registry import DATASETS, MODELS

from .plan import Procedure
from .preparation import image_files
from .stage_configs import source_leaves, target_leaf


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
        targets: Number of target images.
        sources: Number of images of each data set of the source.
        validation: Number of images with validation labels.
    """

    train: float
    label: float
    translate: float
    checkpoint: int
    pixels: int
    source_bytes: tuple[int, ...]
    targets: int
    sources: tuple[int, ...]
    validation: int = 0


def measure_costs(procedure: Procedure) -> Costs:
    """Train and label once, with the data of the procedure.

    Args:
        procedure: Whose data must be there.
    """
    device = get_device()
    model = MODELS.build(procedure.baseline.model).to(device)
    seconds = _training_seconds(procedure.baseline, model)
    state = sum(
        value.numel() * value.element_size()
        for value in model.state_dict().values()
    )
    labelling, pixels = _labelling_seconds(procedure.cycle, model)
    sources = [image_files(leaf) for leaf in source_leaves(procedure.cycle)]
    return Costs(
        train=seconds / batch_images(procedure.baseline),
        label=labelling,
        translate=_translation_seconds(sources[0][0]),
        # weights and the optimizer's momentum, of the two newest
        checkpoint=4 * state,
        pixels=pixels,
        source_bytes=tuple(sum(map(os.path.getsize, s)) for s in sources),
        targets=len(image_files(target_leaf(procedure.cycle))),
        sources=tuple(map(len, sources)),
        validation=_validation_images(procedure.cycle),
    )


def batch_images(cfg: Config) -> int:
    """Images that an iteration of a training runs through the network."""
    dataset = cfg.train_dataloader.dataset
    counts = dict(dataset.get('samples') or {})
    total = counts.get('source', 1)
    if dataset.get('target') and not cfg.model.get('class_mix'):
        total += counts.get('target', 1)
    return total * cfg.train_dataloader.batch_size


def _validation_images(cfg: Config) -> int:
    loader = cfg.get('val_dataloader')
    if not loader or missing_labels(loader.dataset):
        return 0
    return len(DATASETS.build(cfg.val_dataloader.dataset))


def _training_seconds(cfg: Config, model: torch.nn.Module) -> float:
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


def _labelling_seconds(
    cfg: Config, model: torch.nn.Module
) -> tuple[float, int]:
    config = dataset_to_label(cfg, cfg.pseudo_labels['pipeline'])
    dataset = DATASETS.build(config)
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
