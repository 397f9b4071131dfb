# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What is checked and written before the first stage."""

import os
from pathlib import Path

from mmengine.config import Config
from torch.utils.data import Dataset

from mmuda.pseudo_labels.checkpoints import load_model
from mmuda.pseudo_labels.jobs import check_labelling
from mmuda.registry import DATASETS
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write

from .plan import Procedure
from .stage_configs import source_leaves, target_leaf


def prepare(procedure: Procedure) -> None:
    """Find what is wrong before hours of training, and list all images.

    Args:
        procedure: What will run.

    Raises:
        ConfigError: An option, a config or the number of images is wrong.
        DataError: Images are missing.
        CheckpointError: The given baseline does not fit.
    """
    cycle, work_dir = procedure.cycle, procedure.work_dir
    with config_errors(cycle):
        check_labelling(cycle, work_dir / 'final' / 'labels')
        target = image_files(target_leaf(cycle))
        sources = [image_files(leaf) for leaf in source_leaves(cycle)]
        if procedure.given is not None:
            load_model(cycle, [str(procedure.given)], None)
    _check_numbers(procedure, len(target))
    if procedure.options.translate:
        folder = work_dir / 'translation'
        write_list(folder / 'target.txt', target)
        for number, files in enumerate(sources):
            write_list(folder / f'source_{number}.txt', files)


def image_files(config: dict) -> list[str]:
    """Image files of a data set, absolute.

    Args:
        config: Of the data set; its pipeline is not run.
    """
    dataset: Dataset = DATASETS.build({**config, 'pipeline': []})
    paths = (
        dataset.get_data_info(index)['img_path']
        for index in range(len(dataset))
    )
    return [os.path.abspath(path) for path in paths]


def write_list(file: Path, paths: list[str]) -> None:
    """Write a path on each line, unless the file says the same already.

    Args:
        file: Where to.
        paths: None of them may hold a line break.

    Raises:
        DataError: One does.
    """
    for path in paths:
        if '\n' in path:
            raise DataError(f'{path!r}: rename it, lists hold a path a line')
    text = ''.join(f'{path}\n' for path in paths)
    if not file.is_file() or file.read_text() != text:
        atomic_write(file, text)


def _check_numbers(procedure: Procedure, images: int) -> None:
    for name in ('self_training', 'collaboration'):
        options = getattr(procedure.options, name)
        if options.sample is not None and options.sample > images:
            raise ConfigError(
                f'cotraining.{name}.sample={options.sample}, but the target '
                f'has {images} images; make it None to label all in each '
                'cycle'
            )


def require_same_classes(configs: dict[str, Config]) -> None:
    """Refuse configs whose heads have other numbers of classes.

    Args:
        configs: Of the trainings by name.

    Raises:
        ConfigError: They differ.
    """
    numbers = {
        name: cfg.model.segmentor.decode_head.num_classes
        for name, cfg in configs.items()
    }
    if len(set(numbers.values())) > 1:
        raise ConfigError(
            f'cotraining: the configs have other numbers of classes: {numbers}'
        )
