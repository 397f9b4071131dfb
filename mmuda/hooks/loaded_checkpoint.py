# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checking a checkpoint before its weights go into the model of a run."""

from collections.abc import Sequence

from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.engine.loops import trains
from mmuda.models.coverage import HEADS
from mmuda.models.trained import check_state, named_tensors
from mmuda.utils.class_names import require_trained_classes, stored_classes
from mmuda.utils.errors import ConfigError

from .data_check_hook import evaluated_datasets, model_of

_NEW_HEADS = '; or train new heads, tools/train.py --new-parts heads'


def check_loaded(
    runner: Runner, checkpoint: dict, new_parts: Sequence[str] = ()
) -> None:
    """Refuse a checkpoint that does not belong to a run, or make it fit.

    Args:
        runner: About to fill its model.
        checkpoint: Content of the file; a training that starts from it adds
            what its model needs.
        new_parts: What starts anew in a training.

    Raises:
        CheckpointError: It is of other classes than the data, or does not
            cover the model.
        ConfigError: The model has no such ``new_parts``.
    """
    file = str(runner._load_from or 'the checkpoint')
    model = model_of(runner)
    starts = trains(runner) and not runner._resume
    state = named_tensors(checkpoint, file)
    model.loading_from = file
    if starts:
        _start(model, state, new_parts)
        if 'state_dict' in checkpoint:
            checkpoint['state_dict'] = state
        else:
            checkpoint.clear()
            checkpoint.update(state)
    check_state(model, state, file)
    if starts and HEADS in new_parts:
        return
    trained = stored_classes(checkpoint)
    for name, dataset in _datasets(runner).items():
        classes = dataset.metainfo['classes']
        if trained is not None and len(trained) != len(classes):
            # DataCheckHook compares the numbers, with those of the heads.
            continue
        remedy = _NEW_HEADS if starts else ''
        require_trained_classes(trained, classes, file, f'{name} data', remedy)


def _start(
    model: BaseSegmentor, state: dict, new_parts: Sequence[str]
) -> None:
    if hasattr(model, 'prepare_start'):
        model.prepare_start(state, new_parts)
    elif new_parts:
        raise ConfigError(
            f'--new-parts is for methods of mmuda, not {type(model).__name__}'
        )


def _datasets(runner: Runner) -> dict:
    if trains(runner):
        return {'training': runner.train_loop.dataloader.dataset}
    name, loop = 'test', runner._test_loop
    if isinstance(loop, dict) or loop is None:
        name, loop = 'validation', runner._val_loop
    return evaluated_datasets(name, loop)
