# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How long the procedure will take, and how much disk space."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor
from rich.table import Table

from mmuda.color.lab_uint8 import in_style, style_of
from mmuda.datasets.images.image_io import read_image
from mmuda.datasets.sets.missing_labels import missing_labels
from mmuda.pseudo_labels.labelling_options import dataset_to_label
from mmuda.registry import DATASETS, MODELS
from mmuda.translation.lab_images import encode_image
from mmuda.utils.names import SOURCE

from .cotraining_cycles import Procedure
from .preparation import image_files
from .stage_configs import source_leaves, target_leaf
from .stages import Stage, Step
from .state import ProcedureState, duration


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
    total = counts.get(SOURCE, 1)
    if dataset.get('target') and not cfg.model.get('class_mix'):
        total += counts.get('target', 1)
    return total * cfg.train_dataloader.batch_size


def _validation_images(cfg: Config) -> int:
    loader = cfg.get('val_dataloader')
    if not loader or missing_labels(loader.dataset):
        return 0
    return len(DATASETS.build(cfg.val_dataloader.dataset))


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


# An 8-bit PNG of labels takes about a fiftieth of a byte for each pixel.
_LABEL_BYTES = 0.02
# A 16-bit TIFF of the confidences of kept pixels.
_SCORE_BYTES = 0.75


def plan_table(
    procedure: Procedure, steps: Sequence[Step], state: ProcedureState
) -> Table:
    """The stages with their work, time and disk space.

    Args:
        procedure: Whose stages they are.
        steps: That would run.
        state: Times of finished stages.
    """
    costs = measure_costs(procedure)
    table = Table(title=f'Plan of {procedure.work_dir}')
    for column in ('stage', 'status', 'work', 'time', 'disk'):
        table.add_column(column, no_wrap=True, overflow='fold')
    total_seconds, total_bytes = 0.0, 0
    for stage in (stage for step in steps for stage in step):
        work, seconds, size = estimate(stage, procedure, costs)
        if stage.is_done:
            seconds = state.seconds(stage) or seconds
        else:
            total_seconds, total_bytes = (
                total_seconds + seconds,
                total_bytes + size,
            )
        table.add_row(
            stage.name,
            state.status(stage),
            work,
            duration(seconds),
            shown_size(size),
        )
    table.add_section()
    table.add_row(
        'left', '', '', duration(total_seconds), shown_size(total_bytes)
    )
    table.caption = (
        'Times: one training and one labelling step measured here (the '
        'latter for validation, too), one process, data from the cache; '
        'seconds of finished stages as they were.'
    )
    return table


def estimate(
    stage: Stage, procedure: Procedure, costs: Costs
) -> tuple[str, float, int]:
    """What a stage does, its seconds and its bytes.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Of one image.
    """
    if stage.tool == 'train.py':
        cfg = _training_config(stage, procedure)
        seconds = stage.work * batch_images(cfg) * costs.train
        seconds += validated_images(cfg, stage.work, costs) * costs.label
        return f'{stage.work} iterations', seconds, costs.checkpoint
    if stage.tool == 'translate_lab.py':
        number = int(stage.name.rsplit('_', 1)[1])
        count = costs.sources[number]
        seconds = (count + costs.targets) * costs.translate
        return f'{count} images', seconds, costs.source_bytes[number]
    if stage.tool == 'generate_pseudo_labels.py':
        count = _labelled_images(stage, procedure, costs.targets)
        weights = stage.uses['weights']
        assert isinstance(weights, Sequence), 'files, as of the factory'
        seconds = count * len(weights) * costs.label
        size = int(count * costs.pixels * _label_bytes(stage))
        return f'{count} images', seconds, size
    if stage.name.endswith('merge'):
        count = procedure.options.collaboration.sample or costs.targets
        size = int(2 * count * costs.pixels * _LABEL_BYTES)
        return f'{count} images', 5.0, size
    return '', 5.0, 0


def validated_images(cfg: Config, iterations: int, costs: Costs) -> int:
    """Images that a training labels to validate, all times together.

    Args:
        cfg: Of the training.
        iterations: That it has.
        costs: Tell the number of images.
    """
    times = int(iterations // cfg.train_cfg.get('val_interval', 1000))
    return times * costs.validation if cfg.get('val_dataloader') else 0


def _label_bytes(stage: Stage) -> float:
    if stage.config is None or 'final' in stage.name:
        return _LABEL_BYTES
    scores = stage.config().pseudo_labels.get('keep_scores')
    return _LABEL_BYTES + (_SCORE_BYTES if scores else 0)


def _training_config(stage: Stage, procedure: Procedure) -> Config:
    configs = {'baseline': procedure.baseline, 'final': procedure.final}
    return configs.get(stage.name.split('/')[0], procedure.cycle)


def _labelled_images(stage: Stage, procedure: Procedure, targets: int) -> int:
    group = stage.name.split('/')[0]
    if group == 'final':
        return targets
    options = getattr(procedure.options, group)
    if stage.name.endswith('relabel'):
        cycle = int(stage.name.split('cycle_')[1].split('/')[0])
        return min(options.keep * (cycle + 1), targets)
    return options.sample or targets


def shown_size(size: int) -> str:
    """Bytes in the unit that people read."""
    value = float(size)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if value < 1000:
            return f'{value:.0f} {unit}' if value else ''
        value /= 1000
    return f'{value:.1f} TB'
