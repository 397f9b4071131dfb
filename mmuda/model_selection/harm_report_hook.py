# Copyright (c) mmuda authors.
"""A warning at the end of a training that seems to have done harm."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint

from mmuda.pseudo_labels.labelling_options import target_names
from mmuda.pseudo_labels.labelling_report import ProgressLines
from mmuda.registry import HOOKS
from mmuda.utils.checks import WHOLE
from mmuda.utils.config_names import find_config
from mmuda.utils.distributed import of_main_process
from mmuda.utils.errors import ConfigError, MMUDAError
from mmuda.utils.files import atomic_write
from mmuda.utils.names import HARM_REPORT

from .harm_comparison import (
    compare_with_source_only,
    is_source_only,
    thresholds_of,
)
from .member_configs import identity, members_of, require_fitting
from .pool_members import pool_of
from .sampling_options import load_configs
from .selection_data import Sampling, target_images

_OF_SOURCE_ONLY, _OF_POOL = 'source_only_config', 'pool_configs'
# Under which a run remembers what it began with.
_REFERENCE = 'harm_report_against'


@HOOKS.register_module()
class HarmReportHook(Hook):
    """Compare the last checkpoint of a training with a source-only one.

    After the last iteration the main process looks at some images of the
    target, without labels, and logs the report; ``harm_report.json`` in the
    work directory holds it (of several targets ``harm_report_<name>.json``).
    Thresholds are ``harm_report`` of the config. Of student and teacher the
    one is judged that is tested.

    A checkpoint that does not fit the network in training is looked at by
    the config that it holds, and the report says so.

    Args:
        source_only: Checkpoint of a network that was trained on the source
            alone; ``~`` is the home of the main process, here and below. By
            default what the training begins with (``load_from``), if that
            was, or its own last checkpoint of ``model.warmup_iters``, which
            is kept then; without either, nothing is looked at.
        pool: Checkpoints of other trainings that are asked besides; by
            default the last three before the last of this one.
        images: ``train`` or ``val`` of the target.
        domain: Name of one of several targets; all by default.
        max_images: Images of the target; 0 for all.
        max_source_images: Labelled images of the source; 0 for all.
        source_only_config: Config of ``source_only``, a file or the name of
            one, where its network or the size of its images is another one;
            the images themselves are those of this training.
        pool_configs: The same of each checkpoint of ``pool``, in its order;
            None for one without.

    Raises:
        ConfigError: There is no such file or no such images, a value is out
            of its range, there are more or fewer ``pool_configs`` than
            checkpoints, or one has two configs; before training.
        CheckpointError: A checkpoint fits no config, or was trained for
            other classes; before training.
    """

    priority = 'LOW'

    def __init__(
        self,
        source_only: str | None = None,
        pool: Sequence[str] | None = None,
        images: str = 'train',
        domain: str | None = None,
        max_images: int = 100,
        max_source_images: int = 50,
        source_only_config: str | None = None,
        pool_configs: Sequence[str | None] | None = None,
    ) -> None:
        if images not in ('train', 'val'):
            raise ConfigError(
                f"HarmReportHook.images={images!r}: must be 'train' or 'val'"
            )
        self.source_only = source_only and _existing(source_only)
        self.pool = None if pool is None else [_existing(f) for f in pool]
        WHOLE.require(max_images, 'HarmReportHook.max_images')
        WHOLE.require(max_source_images, 'HarmReportHook.max_source_images')
        self.sampling = Sampling(
            images='val' if images == 'val' else 'train',
            domain=domain,
            target_count=max_images or None,
            source_count=max_source_images or None,
            workers=0,
        )
        self._names = self._named_configs(source_only_config, pool_configs)
        self._reference = self.source_only
        self._warmed_up: Callable[[], str] | None = None
        self._trained = False

    def _named_configs(
        self, of_source_only: str | None, of_pool: Sequence[str | None] | None
    ) -> dict[str, dict[str, Path]]:
        """Configs by option and checkpoint, none of which has two."""
        if of_source_only and not self.source_only:
            raise ConfigError(
                f'HarmReportHook: {_OF_SOURCE_ONLY} is that of source_only, '
                'which is not given; name both, or neither'
            )
        named = (
            [self.source_only] if self.source_only else [],
            [of_source_only] if self.source_only else None,
            _OF_SOURCE_ONLY,
        )
        own = _configs_by_file(*named)
        others = _configs_by_file(self.pool or [], of_pool, _OF_POOL)
        if twice := [file for file in own if file in others]:
            raise ConfigError(
                f'HarmReportHook: {_OF_SOURCE_ONLY} and {_OF_POOL} both name '
                f'a config of {twice[0]}; leave one of them out'
            )
        return {_OF_SOURCE_ONLY: own, _OF_POOL: others}

    def before_train(self, runner: Runner) -> None:
        """Refuse wrong thresholds, images and networks before any work."""
        thresholds_of(runner.cfg)
        if self.source_only:
            given = partial(self._require_usable, runner.cfg, self.source_only)
            of_main_process(given)
        elif target_names(runner.cfg) and not _names_source_only(runner):
            start = of_main_process(partial(self._source_only_start, runner))
            runner.message_hub.update_info(_REFERENCE, start)
            self._reference = start or None
            if not start:
                self._warmed_up = _keep_end_of_warm_up(runner)

    def _source_only_start(self, runner: Runner) -> str:
        """What a training began with, if that is source-only, or nothing."""
        start = runner._load_from
        if runner._resume:
            # which is in the folder of this run
            start = runner.message_hub.runtime_info.get(_REFERENCE)
        elif start and not is_source_only(start):
            start = None
        if start:
            try:
                self._require_usable(runner.cfg, start)
            except MMUDAError as error:
                # Nobody has asked for a report.
                _tell(f'There will be no harm report: {error}', logging.INFO)
                start = None
        return start or ''

    def _require_usable(self, cfg: Config, source_only: str) -> None:
        files = [source_only, *(self.pool or ())]
        for domain in self._domains(cfg):
            try:
                images = target_images(cfg, self.sampling.images, domain)
            except ConfigError as error:
                raise ConfigError(f'HarmReportHook: {error}') from error
            others, _ = members_of(cfg, files, self._configs(), domain)
            require_fitting(others, images.metainfo['classes'])

    def _domains(self, cfg: Config) -> list[str | None]:
        """Targets that are looked at; None for the only one."""
        names = target_names(cfg)
        if self.sampling.domain is not None or len(names) < 2:
            return [self.sampling.domain]
        return [*names]

    def _configs(self) -> dict[str, Config]:
        """Configs by checkpoint that are not that of the training."""
        found: dict[str, Config] = {}
        for option, names in self._names.items():
            found |= load_configs(names, f'HarmReportHook.{option}')
        return found

    def after_train(self, runner: Runner) -> None:
        """Remember that this was a training, and whether it is finished."""
        self._trained = runner.iter >= runner.max_iters

    def after_run(self, runner: Runner) -> None:
        """Look, once all checkpoints are written."""
        trained, self._trained = self._trained, False
        if self._warmed_up is not None and self._reference is None:
            self._reference = self._warmed_up()
        if not (trained and self._reference and is_main_process()):
            return
        domains = self._domains(runner.cfg)
        for domain in domains:
            file = Path(runner.work_dir, HARM_REPORT)
            if len(domains) > 1:
                file = file.with_stem(f'{file.stem}_{domain}')
            try:
                self._look(runner.cfg, self._reference, domain, file)
            except MMUDAError as error:
                # The training itself is done and saved.
                _tell(f'No harm report: {error}', logging.WARNING)

    def _look(
        self, cfg: Config, source_only: str, domain: str | None, file: Path
    ) -> None:
        checkpoint = find_latest_checkpoint(str(file.parent))
        if checkpoint is None:
            _tell('No harm report: no checkpoint was saved', logging.WARNING)
            return
        found = compare_with_source_only(
            cfg,
            checkpoint,
            source_only,
            pool_of(checkpoint, self.pool),
            replace(self.sampling, domain=domain),
            ProgressLines(write=partial(_tell, level=logging.INFO)),
            configs=self._configs(),
        )
        content = json.dumps(found.content(), indent=2)
        atomic_write(file, content + '\n')
        level = logging.WARNING if found.report.alarms else logging.INFO
        notes = [f'note: {note}' for note in found.scores.notes]
        text = '\n'.join([*notes, *found.lines()])
        on = f' on {domain}' if domain else ''
        _tell(f'Harm report{on} against {source_only}:\n{text}', level)


def _names_source_only(runner: Runner) -> bool:
    """Whether another such hook says what is compared with."""
    hooks = (h for h in runner.hooks if isinstance(h, HarmReportHook))
    return any(hook.source_only for hook in hooks)


def _keep_end_of_warm_up(runner: Runner) -> Callable[[], str] | None:
    """Keep the last checkpoint of a training on the source alone.

    Args:
        runner: About to train, or to continue.

    Returns:
        What tells its path after the training; None if that adapts from its
        beginning or never, or saves none before it does.
    """
    steps = int(runner.cfg.model.get('warmup_iters') or 0)
    if steps >= runner.max_iters:
        return None
    for hook in runner.hooks:
        # Of UDACheckpointHook; another one keeps what it keeps.
        if hasattr(hook, 'keep_last_until'):
            return hook.keep_last_until(steps)
    return None


def _existing(file: str) -> str:
    """A checkpoint that a config names, without a ``~``."""
    path = os.path.expanduser(file)
    if not os.path.isfile(path):
        raise ConfigError(
            f"HarmReportHook: there is no '{file}'; train a network on the "
            'source alone, or remove the hook'
        )
    return path


def _configs_by_file(
    files: Sequence[str], configs: Sequence[str | None] | None, option: str
) -> dict[str, Path]:
    """Configs that a config names, without a ``~``; those of a name alone."""
    configs = [None] * len(files) if configs is None else configs
    if len(configs) != len(files):
        raise ConfigError(
            f'HarmReportHook.{option} names {len(configs)}, and there are '
            f'{len(files)} checkpoints in pool; name one for each in their '
            'order, None for those without'
        )
    found: dict[str, Path] = {}
    for file, config in zip(files, configs, strict=True):
        if config is None:
            continue
        try:
            path = find_config(os.path.expanduser(config))
        except ConfigError as error:
            raise ConfigError(f'HarmReportHook.{option}: {error}') from error
        if found.setdefault(identity(file), path) != path:
            raise ConfigError(
                f'HarmReportHook.{option}: {file} has two; name one'
            )
    return found


def _tell(text: str, level: int) -> None:
    print_log(text, logger='current', level=level)
