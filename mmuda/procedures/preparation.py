# Copyright (c) mmuda authors.
"""What is checked and written before the first stage."""

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.engine import skip_validation_without_labels
from mmuda.models.pretrained import covered_by_pretrained_weights
from mmuda.models.uda.base import BaseUDA
from mmuda.pseudo_labels.checkpoints import load_model
from mmuda.pseudo_labels.labelling_jobs import check_labelling
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_write

from .costs import image_files
from .cotraining_cycles import CoTraining
from .stage_configs import pretrained_files, source_leaves, target_leaf


def check_configs(procedure: CoTraining) -> None:
    """Find what is wrong with configs, which needs no data.

    Args:
        procedure: What will run.

    Raises:
        ConfigError: An option or a config is wrong.
        CheckpointError: Pretrained weights do not fit.
    """
    several = procedure.cycle.train_dataloader.dataset.get('targets')
    if several:
        raise ConfigError(
            f'setting={procedure.cycle.get("setting")!r}: co-training adapts '
            f'to one target, not to {", ".join(several)}'
        )
    for cfg in (procedure.baseline, procedure.cycle, procedure.final):
        with config_errors(cfg):
            model = MODELS.build(cfg.model)
        # later trainings start from the baseline's weights
        first = cfg is procedure.baseline and procedure.given is None
        if first and not missing_weights(procedure):
            _require_pretrained(cfg, model)
    require_same_classes(procedure)


def check_data(procedure: CoTraining) -> None:
    """Find what is wrong with data before hours of training.

    Args:
        procedure: What will run.

    Raises:
        ConfigError: The number of images does not fit an option.
        DataError: Images or pretrained weights are missing.
        CheckpointError: The given baseline does not fit.
    """
    cycle = procedure.cycle
    for file in missing_weights(procedure):
        raise DataError(
            f"model.segmentor.backbone.init_cfg.checkpoint: '{file}' does not "
            'exist; see docs/weights.md'
        )
    for cfg in (procedure.baseline, cycle, procedure.final):
        with config_errors(cfg):
            # A copy: each training tells that nothing is evaluated.
            if not skip_validation_without_labels(copy.deepcopy(cfg)):
                DATASETS.build(cfg.val_dataloader.dataset)
    require_same_sources(procedure)
    require_same_target(procedure)
    with config_errors(cycle):
        check_labelling(cycle, procedure.work_dir / 'final' / 'labels')
        for leaf in source_leaves(cycle):
            image_files(leaf)
        if procedure.given is not None:
            _check_given(cycle, str(procedure.given))
    _check_numbers(procedure, len(image_files(target_leaf(cycle))))


def _check_given(cycle: Config, file: str) -> None:
    """Refuse a baseline of another network, or of other classes."""
    model: BaseSegmentor = load_model(cycle, [file], None, measures=False)
    target = DATASETS.build({**target_leaf(cycle), 'pipeline': []})
    classes = target.metainfo['classes']
    require_trained_classes(model.trained_classes, classes, file, 'target')


def list_images(procedure: CoTraining) -> None:
    """Write the lists of images to translate, and of the target.

    Args:
        procedure: What will run.
    """
    if not procedure.options.translate:
        return
    folder = procedure.work_dir / 'translation'
    write_list(
        folder / 'target.txt', image_files(target_leaf(procedure.cycle))
    )
    for number, leaf in enumerate(source_leaves(procedure.cycle)):
        write_list(folder / f'source_{number}.txt', image_files(leaf))


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
    if not file.is_file() or file.read_bytes() != text.encode():
        atomic_write(file, text)


def _check_numbers(procedure: CoTraining, images: int) -> None:
    for name in ('self_training', 'collaboration'):
        options = getattr(procedure.options, name)
        if options.sample is not None and options.sample > images:
            raise ConfigError(
                f'cotraining.{name}.sample={options.sample}, but the target '
                f'has {images} images; make it None to label all in each '
                'cycle'
            )


def missing_weights(procedure: CoTraining) -> list[Path]:
    """Files that the first training would start from, and can't.

    Args:
        procedure: What will run; one with a given baseline needs none.
    """
    if procedure.given is not None:
        return []
    files = pretrained_files(procedure.baseline)
    return [file for file in files if not file.is_file()]


def _require_pretrained(cfg: Config, model: BaseUDA) -> None:
    """Read the files from which the first training starts."""
    # Web addresses are downloaded by the training.
    if pretrained_files(cfg):
        backbone = model.segmentor.backbone
        place = 'model.segmentor.backbone'
        with covered_by_pretrained_weights(backbone, place):
            backbone.init_weights()


def require_same_classes(procedure: CoTraining) -> None:
    """Refuse configs whose heads have other numbers of classes.

    Args:
        procedure: Whose trainings hand their weights on.

    Raises:
        ConfigError: They differ.
    """
    numbers = {
        name: getattr(procedure, name).model.segmentor.decode_head.num_classes
        for name in ('baseline', 'cycle', 'final')
    }
    if len(set(numbers.values())) > 1:
        raise ConfigError(
            f'cotraining: the configs have other numbers of classes: {numbers}'
        )


def require_same_sources(procedure: CoTraining) -> None:
    """Refuse configs that train on other images of the source.

    Translated images take their places, by the number of the data set.

    Args:
        procedure: Whose trainings they are.

    Raises:
        ConfigError: They differ.
    """
    if not procedure.options.translate:
        return
    cycle = list(source_leaves(procedure.cycle))
    for name in ('baseline', 'final'):
        leaves = list(source_leaves(getattr(procedure, name)))
        if len(leaves) != len(cycle):
            raise ConfigError(
                f'cotraining.{name}: the source has {len(leaves)} data '
                f"set(s), the cycles' has {len(cycle)}; translated images "
                'need the same'
            )
        for number, pair in enumerate(zip(leaves, cycle, strict=True)):
            if _location(pair[0]) == _location(pair[1]):
                continue
            own, other = map(image_files, pair)
            if own != other:
                raise ConfigError(
                    f'cotraining.{name}: data set {number} of the source has '
                    f"other images than the cycles' ({own[0]}, {other[0]}); "
                    'translated images take their places, so list the same '
                    'ones in the same order'
                )


def require_same_target(procedure: CoTraining) -> None:
    """Refuse a last training on other images than the cycles label.

    Args:
        procedure: Whose trainings they are.

    Raises:
        ConfigError: They differ.
    """
    leaves = [target_leaf(cfg) for cfg in (procedure.final, procedure.cycle)]
    if _location(leaves[0]) == _location(leaves[1]):
        return
    own, other = map(image_files, leaves)
    if own != other:
        raise ConfigError(
            "cotraining.final: the target has other images than the cycles' "
            f'({own[0]}, {other[0]}), which are labelled for it'
        )


def _location(leaf: Mapping) -> dict:
    return {key: value for key, value in leaf.items() if key != 'pipeline'}
