# Copyright (c) mmuda authors.
"""What a procedure costs: measured on an image, and told before it runs."""

import os
import time
from collections.abc import Mapping, Sequence
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
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.sets.missing_labels import missing_labels
from mmuda.pseudo_labels.labelling_jobs import build_images
from mmuda.pseudo_labels.labelling_options import (
    dataset_to_label,
    target_names,
)
from mmuda.registry import DATASETS, MODELS
from mmuda.translation.lab_images import encode_image
from mmuda.utils.names import LABELLED_TARGET, SOURCE

from .stage import Measured, Procedure, Stage, Step
from .state import ProcedureState, duration

# An 8-bit PNG of labels takes about a fiftieth of a byte for each pixel.
_LABEL_BYTES = 0.02
# A 16-bit TIFF of the confidences of kept pixels.
_SCORE_BYTES = 0.75
_CAPTION = (
    'Times: one training and one labelling step measured here (the '
    'latter for validation, too), one process, data from the cache; '
    'seconds of finished stages as they were.'
)


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
    if dataset.get(LABELLED_TARGET):
        total += counts.get(LABELLED_TARGET, 1)
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


def plan_table(
    procedure: Procedure,
    steps: Sequence[Step],
    state: ProcedureState,
    costs: Costs | None,
) -> Table:
    """The stages with their work, time and disk space.

    Args:
        procedure: Whose stages they are.
        steps: That would run.
        state: Times of finished stages.
        costs: Of one image; None leaves out times and disk space.
    """
    table = Table(title=f'Plan of {procedure.work_dir}')
    columns = ('stage', 'status', 'work', *(('time', 'disk') if costs else ()))
    for column in columns:
        table.add_column(column, no_wrap=True, overflow='fold')
    total_seconds, total_bytes = 0.0, 0
    for stage in (stage for step in steps for stage in step):
        work = work_of(stage, procedure, costs)
        row = [stage.name, state.status(stage), work]
        if costs:
            seconds, size = estimate(stage, procedure, costs)
            if stage.is_done:
                seconds = state.seconds(stage) or seconds
            else:
                total_seconds += seconds
                total_bytes += size
            row += [duration(seconds), shown_size(size)]
        table.add_row(*row)
    if costs:
        table.add_section()
        left = duration(total_seconds), shown_size(total_bytes)
        table.add_row('left', '', '', *left)
        table.caption = _CAPTION
    return table


def work_of(stage: Stage, procedure: Procedure, costs: Costs | None) -> str:
    """What a stage does, in words.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Tell how many there are; None if that is not known.
    """
    if stage.is_training:
        return f'{stage.work} iterations'
    if not _handles_images(stage):
        return ''
    number = _images(stage, procedure, costs)
    return 'all images' if number is None else f'{number} images'


def estimate(
    stage: Stage, procedure: Procedure, costs: Costs
) -> tuple[float, int]:
    """Seconds and bytes of a stage.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Of one image.
    """
    if stage.is_training:
        cfg = procedure.config_of(stage)
        seconds = stage.work * batch_images(cfg) * costs.train
        seconds += validated_images(cfg, stage.work, costs) * costs.label
        return seconds, costs.checkpoint
    if not _handles_images(stage):
        return 5.0, 0
    count = _images(stage, procedure, costs)
    assert count is not None, 'known where costs are'
    if stage.tool == 'translate_lab.py':
        images = count + sum(costs.targets.values())
        return images * costs.translate, costs.source_bytes[_source(stage)]
    if stage.tool == 'generate_pseudo_labels.py':
        weights = stage.uses['weights']
        assert isinstance(weights, Sequence), 'files, as of the procedures'
        seconds = count * len(weights) * costs.label
        return seconds, int(count * costs.pixels * _label_bytes(stage))
    return 5.0, int(2 * count * costs.pixels * _LABEL_BYTES)


def validated_images(cfg: Config, iterations: int, costs: Costs) -> int:
    """Images that a training labels to validate, all times together.

    Args:
        cfg: Of the training.
        iterations: That it has.
        costs: Tell the number of images.
    """
    times = int(iterations // cfg.train_cfg.get('val_interval', 1000))
    return times * costs.validation if cfg.get('val_dataloader') else 0


def _handles_images(stage: Stage) -> bool:
    tools = ('translate_lab.py', 'generate_pseudo_labels.py')
    return stage.tool in tools or stage.name.endswith('merge')


def _images(
    stage: Stage, procedure: Procedure, costs: Costs | None
) -> int | None:
    if stage.tool == 'translate_lab.py':
        return costs.sources[_source(stage)] if costs else None
    wanted = procedure.images_of(stage)
    there = _labelled(stage, costs.targets) if costs else None
    return min((n for n in (wanted, there) if n is not None), default=None)


def _source(stage: Stage) -> int:
    return int(stage.name.rsplit('_', 1)[1])


def _labelled(stage: Stage, targets: Mapping[str, int]) -> int:
    """Images of the target that a stage is about, of all by default."""
    name = stage.name.rpartition('/')[2]
    return targets.get(name, sum(targets.values()))


def _label_bytes(stage: Stage) -> float:
    if stage.config is None or 'final' in stage.name:
        return _LABEL_BYTES
    scores = stage.config().pseudo_labels.get('keep_scores')
    return _LABEL_BYTES + (_SCORE_BYTES if scores else 0)


def shown_size(size: int) -> str:
    """Bytes in the unit that people read."""
    value = float(size)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if value < 1000:
            return f'{value:.0f} {unit}' if value else ''
        value /= 1000
    return f'{value:.1f} TB'
