# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""A warning at the end of a training that seems to have done harm."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint

from mmuda.registry import HOOKS
from mmuda.utils.checks import WHOLE
from mmuda.utils.config_names import find_config
from mmuda.utils.errors import ConfigError, MMUDAError
from mmuda.utils.files import atomic_write
from mmuda.utils.names import HARM_REPORT

from .harm_comparison import compare_with_source_only, thresholds_of
from .member_configs import members_of, require_fitting
from .pool_members import pool_of
from .sampling_options import load_configs
from .selection_data import Sampling, target_images


@HOOKS.register_module()
class HarmReportHook(Hook):
    """Compare the last checkpoint of a training with a source-only one.

    After the last iteration the main process looks at some images of the
    target, without labels, and logs the report; ``harm_report.json`` in the
    work directory holds it. Thresholds are ``harm_report`` of the config. Of
    student and teacher the one is judged that is tested.

    A checkpoint that does not fit the network in training is looked at by
    the config that it holds, and the report says so.

    Args:
        source_only: Checkpoint of a network that was trained on the source
            alone; ``~`` is the home of the main process, here and below.
        pool: Checkpoints of other trainings that are asked besides; by
            default the last three before the last of this one.
        images: ``train`` or ``val`` of the target.
        domain: Name of one of several targets.
        max_images: Images of the target; 0 for all.
        max_source_images: Labelled images of the source; 0 for all.
        source_only_config: Config of ``source_only``, a file or the name of
            one, where its network or the size of its images is another one;
            the images themselves are those of this training.

    Raises:
        ConfigError: There is no such file or no such images, or a value is
            out of its range; before training.
        CheckpointError: A checkpoint fits no config; before training.
    """

    def __init__(
        self,
        source_only: str,
        pool: Sequence[str] | None = None,
        images: str = 'train',
        domain: str | None = None,
        max_images: int = 100,
        max_source_images: int = 50,
        source_only_config: str | None = None,
    ) -> None:
        if images not in ('train', 'val'):
            raise ConfigError(
                f"HarmReportHook.images={images!r}: must be 'train' or 'val'"
            )
        self.source_only = _existing(source_only)
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
        self._config: Path | None = None
        if source_only_config is not None:
            self._config = _found(source_only_config)
        self._trained = False

    def before_train(self, runner: Runner) -> None:
        """Refuse wrong thresholds, images and networks before any work."""
        thresholds_of(runner.cfg)
        sampling = self.sampling
        try:
            target_images(runner.cfg, sampling.images, sampling.domain)
        except ConfigError as error:
            raise ConfigError(f'HarmReportHook.domain: {error}') from error
        told: list[MMUDAError | None] = [None]
        if is_main_process():
            files = [self.source_only, *(self.pool or ())]
            try:
                others, _ = members_of(
                    runner.cfg, files, self._configs(), sampling.domain
                )
                require_fitting(others)
            except MMUDAError as error:
                told[0] = error
        broadcast_object_list(told)
        if told[0] is not None:
            # In all processes, so that none waits for the others.
            raise told[0]

    def _configs(self) -> dict[str, Config]:
        """Configs by checkpoint that are not that of the training."""
        config = self._config
        names = {} if config is None else {self.source_only: config}
        return load_configs(names, 'HarmReportHook.source_only_config')

    def after_train(self, runner: Runner) -> None:
        """Remember that this was a training, and whether it is finished."""
        self._trained = runner.iter >= runner.max_iters

    def after_run(self, runner: Runner) -> None:
        """Look, once all checkpoints are written."""
        if self._trained and is_main_process():
            self._trained = False
            try:
                self._look(runner.cfg, Path(runner.work_dir))
            except MMUDAError as error:
                # The training itself is done and saved.
                _tell(f'No harm report: {error}', logging.WARNING)

    def _look(self, cfg: Config, work_dir: Path) -> None:
        checkpoint = find_latest_checkpoint(str(work_dir))
        if checkpoint is None:
            _tell('No harm report: no checkpoint was saved', logging.WARNING)
            return
        found = compare_with_source_only(
            cfg,
            checkpoint,
            self.source_only,
            pool_of(checkpoint, self.pool),
            self.sampling,
            report=lambda *_: None,
            configs=self._configs(),
        )
        content = json.dumps(found.content(), indent=2)
        atomic_write(work_dir / HARM_REPORT, content + '\n')
        level = logging.WARNING if found.report.alarms else logging.INFO
        notes = [f'note: {note}' for note in found.scores.notes]
        text = '\n'.join([*notes, *found.lines()])
        _tell(f'Harm report against {self.source_only}:\n{text}', level)


def _existing(file: str) -> str:
    """A checkpoint that a config names, without a ``~``."""
    path = os.path.expanduser(file)
    if not os.path.isfile(path):
        raise ConfigError(
            f"HarmReportHook: there is no '{file}'; train a network on the "
            'source alone, or remove the hook'
        )
    return path


def _found(config: str) -> Path:
    """A config that a config names, without a ``~``."""
    try:
        return find_config(os.path.expanduser(config))
    except ConfigError as error:
        raise ConfigError(
            f'HarmReportHook.source_only_config: {error}'
        ) from error


def _tell(text: str, level: int) -> None:
    print_log(text, logger='current', level=level)
