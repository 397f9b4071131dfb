# Copyright (c) mmuda authors.
"""What a run was started with, stored in its checkpoints and compared.

A resumed run shall be one that never stopped; so what decides its course must
be what it was. The record is plain data, and no text of a checkpoint is read
as a config.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.runner import Runner
from torch import nn

from mmuda.datasets.data_checks import AnyDataset
from mmuda.datasets.domain_dataset import DomainDataset, leaf_datasets
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.engine.schedules import continue_on_schedule, schedulers_by_player
from mmuda.models.players import player_optim_wrappers, unwrap
from mmuda.utils.errors import CheckpointError
from mmuda.utils.flat_values import flat
from mmuda.utils.text import join_some

from .pseudo_label_refresh_hook import PseudoLabelRefreshHook
from .recorded_config import (
    changed_lengths,
    older_terms,
    recorded_config,
)

RECORD = 'mmuda_run'
# Parts of a record that not all versions have.
_LATER = ('numbers', 'labelling')


def describe_run(runner: Runner) -> dict[str, Any]:
    """All that is compared when a run is resumed, for its checkpoints.

    Args:
        runner: About to train.
    """
    return dict(
        config=recorded_config(runner.cfg),
        numbers=_describe_numbers(unwrap(runner.model)),
        labelling=_describe_labelling(runner),
        processes=get_world_size(),
        data=_describe_data(runner.train_loop.dataloader.dataset),
    )


def check_same_course(
    stored: Mapping[str, Any], own: Mapping[str, Any], file: str
) -> list[str]:
    """Compare what a checkpoint records with the run that resumes it.

    Args:
        stored: Of the checkpoint.
        own: What :func:`describe_run` says of the run.
        file: The checkpoint, for messages.

    Returns:
        Changes that are taken over, in words.

    Raises:
        CheckpointError: Configs, what their files hold, the number of
            processes, images or how they are labelled differ.
    """
    taken = changed_lengths(stored['config'], own['config'], file)
    for part in _LATER:
        # Those of an earlier version have none.
        if part in stored:
            then, now = _parts_by_name(part, stored, own)
            changed_lengths(then, now, file)
    then, now = stored['processes'], own['processes']
    if then != now:
        raise CheckpointError(
            f'{file} was trained by {then} process(es) and cannot be resumed '
            f'by {now}, since the order of the images would change; start '
            f'{then}, or a new training with --load-from'
        )
    for domain in {**stored['data'], **own['data']}:
        then, now = (run['data'].get(domain) for run in (stored, own))
        if then != now:
            raise CheckpointError(
                f"{file} cannot be resumed with other images of '{domain}': "
                f'{_images(then)} then, {_images(now)} now; give the same '
                'data, or start a new training with --load-from'
            )
    return taken


def record_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record in a checkpoint.

    Args:
        checkpoint: Content of a file.

    Returns:
        None if the file has none of this form; older ones have not.
    """
    meta = checkpoint.get('meta')
    record = meta.get(RECORD) if isinstance(meta, Mapping) else None
    if not isinstance(record, Mapping):
        return None
    sound = (
        _by_key(record.get('config'))
        and all(_by_key(record.get(k, {})) for k in _LATER)
        and isinstance(record.get('data'), Mapping)
        and isinstance(record.get('processes'), int)
    )
    return record if sound else None


def _by_key(part: object) -> bool:
    return isinstance(part, Mapping) and all(isinstance(k, str) for k in part)


def _parts_by_name(
    part: str, *runs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Name modules alike in parts of two records, see ``older_terms``."""
    terms = [older_terms(run['config']) for run in runs]
    if {*terms[0]} == {*terms[1]}:
        return [dict(run[part]) for run in runs]
    return [
        {_module_name(key, names): value for key, value in run[part].items()}
        for run, names in zip(runs, terms, strict=True)
    ]


def _module_name(key: str, terms: Mapping[str, str]) -> str:
    for old, new in terms.items():
        if key.startswith(f'{old}.'):
            name = new.replace('terms[', 'term_').rstrip(']')
            return name + key[len(old) :]
    return key


def _images(about: Mapping[str, Any] | None) -> str:
    return f'{about["images"]} images' if about else 'none'


def _describe_numbers(model: nn.Module) -> dict[str, float]:
    """What a model has read from files that may lie anywhere."""
    found: dict[str, float] = {}
    for name, module in model.named_modules():
        place = f'model.{name}'.rstrip('.')
        found |= flat(getattr(module, 'numbers_of_files', {}), place)
    return found


def _describe_labelling(runner: Runner) -> dict[str, Any]:
    """How, when and by what hooks label while training goes on."""
    found: dict[str, Any] = {}
    for hook in runner.hooks:
        for labeller in getattr(hook, 'refreshers', [hook]):
            if isinstance(labeller, PseudoLabelRefreshHook):
                found |= flat(labeller.course())
                model = unwrap(runner.model)
                found['model.predict_on'] = model.predict_on
                if model.norm_statistics != 'mixed':
                    found['model.norm_statistics'] = model.norm_statistics
    return found


def _describe_data(dataset: AnyDataset) -> dict[str, dict]:
    if isinstance(dataset, DomainDataset):
        return {n: _describe(part) for n, part in dataset.domains.items()}
    return {'training': _describe(dataset)}


def _describe(dataset: SegmentationDataset) -> dict[str, Any]:
    """Number of images, and a digest of their keys in order."""
    about: dict[str, Any] = dict(images=len(dataset))
    digest = hashlib.sha256()
    for leaf in leaf_datasets(dataset):
        if not isinstance(leaf, BaseDataset):
            return about
        for index in range(len(leaf)):
            # Not the data set's own, which may read more than its list.
            info = BaseDataset.get_data_info(leaf, index)
            digest.update(f'{info.get("key")}\n'.encode())
    about['sha256'] = digest.hexdigest()
    return about


# Of a schedule's state: what it is, and how long it lasts.
_FORM = ('param_name', 'begin', 'by_epoch', 'power', 'eta_min', 'gamma')
_LENGTH = ('end', 'total_iters', 'T_max', 'milestones')
_SETTINGS = ('lr', 'momentum', 'weight_decay', 'betas', 'eps')


def check_config_of_resumed_run(
    cfg: Config, checkpoint: Mapping[str, Any], file: str
) -> None:
    """Compare configs before anything is built or written.

    Args:
        cfg: Of the run that will resume.
        checkpoint: Content of the file.
        file: Its name, for messages.

    Raises:
        CheckpointError: They differ in more than the length of the training.
    """
    record = record_of(checkpoint)
    if record is not None:
        changed_lengths(record['config'], recorded_config(cfg), file)


def resume_run(runner: Runner, checkpoint: dict, file: str) -> None:
    """Refuse another run, and take over another length of the training.

    Args:
        runner: About to resume; nothing of it is trained yet.
        checkpoint: Content of the file; rates and schedules in it become
            those of the run.
        file: Its name, for messages.

    Raises:
        CheckpointError: Configs, processes, images, optimizers or the form of
            schedules differ.
    """
    record = record_of(checkpoint)
    try:
        taken = []
        if record is not None:
            taken = check_same_course(record, describe_run(runner), file)
        changed = _compare_states(runner, checkpoint, file)
        taken = taken or changed
        finished = int(checkpoint['meta']['iter'])
        if finished < 0:
            raise ValueError(f'meta.iter is {finished}')
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'{file}: its states are not those of a training ({error!r}); '
            'pass it to --load-from instead'
        ) from error
    if not taken:
        return
    if finished > runner.max_iters:
        raise CheckpointError(
            f'{file} has finished {finished} iterations, more than '
            f'train_cfg.max_iters={runner.max_iters}; make it larger'
        )
    rates = {}
    if any(not change.startswith('train_cfg') for change in taken):
        rates = continue_on_schedule(
            checkpoint, runner.optim_wrapper, runner.param_schedulers, finished
        )
    shown = ''.join(f'; {name}.lr {rate:.6g}' for name, rate in rates.items())
    runner.logger.log(
        logging.WARNING,
        f'Resumed with another length of the training: {join_some(taken, 9)}. '
        f'From iteration {finished + 1} on it follows the new schedule{shown}',
    )


def _compare_states(
    runner: Runner, checkpoint: Mapping[str, Any], file: str
) -> list[str]:
    """Compare what a checkpoint of an earlier version holds, too.

    Returns:
        Changes of length, in words.

    Raises:
        CheckpointError: Optimizers or the form of schedules differ.
    """
    wrappers = player_optim_wrappers(runner.optim_wrapper)
    schedulers = schedulers_by_player(runner.param_schedulers, list(wrappers))
    states = checkpoint.get('param_schedulers') or []
    info = checkpoint['message_hub'].get('runtime_info') or {}
    then, now = info.get('max_iters', runner.max_iters), runner.max_iters
    refused = []
    taken = [f'train_cfg.max_iters was {then}, now {now}'] * (then != now)
    for player, wrapper in wrappers.items():
        refused += _changed_optimizer(player, wrapper, checkpoint['optimizer'])
        stored = states[player] if isinstance(states, Mapping) else states
        own = [vars(s) for s in schedulers.get(player, [])]
        if len(stored) != len(own):
            refused.append(
                f'param_scheduler had {len(stored)} parts, now {len(own)}'
            )
        refused += _differences('param_scheduler', stored, own, _FORM)
        taken += _differences('param_scheduler', stored, own, _LENGTH)
    if refused:
        raise CheckpointError(
            f'{file} cannot be resumed with another configuration: '
            f'{join_some(refused)}; use the config that it was trained '
            'with, or start a new training with --load-from'
        )
    return list(dict.fromkeys(taken))


def _changed_optimizer(
    player: str, wrapper: OptimWrapper, states: Mapping[str, Any]
) -> list[str]:
    """Compare an optimizer with its stored state; one alone has no name."""
    groups = states.get(player, states)['param_groups']
    then, now = len(groups), len(wrapper.optimizer.param_groups)
    place = f'optim_wrapper.{player}'
    if then != now:
        return [f'{place} had {then} groups of parameters, now {now}']
    return _differences(place, groups, wrapper.param_groups, _SETTINGS)


def _differences(
    place: str,
    stored: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any] | _ParamScheduler],
    names: Sequence[str],
) -> list[str]:
    found = []
    for index, (then, now) in enumerate(zip(stored, own, strict=False)):
        for name in names:
            # What a schedule changes, before it did.
            first = f'initial_{name}'
            key = first if first in then and first in now else name
            if key in then and key in now and then[key] != now[key]:
                found.append(
                    f'{place}.{index}.{name} was {then[key]}, now {now[key]}'
                )
    return found
