# Copyright (c) mmuda authors.
"""Saving checkpoints from which a run continues exactly."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.engine.checkpoint import accumulation_period, check_resumable
from mmuda.engine.divergence import flat_state, require_finite_state
from mmuda.engine.loops import require_needed_hooks, trains
from mmuda.engine.schedules import (
    check_no_idle_training,
    check_steps_are_taken,
)
from mmuda.hooks.data_check_hook import evaluated_datasets, model_of
from mmuda.models.norm_statistics import take_training_statistics
from mmuda.models.players import unwrap
from mmuda.models.trained import HEADS, check_state, named_tensors
from mmuda.registry import HOOKS
from mmuda.utils.class_names import require_trained_classes, stored_classes
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.tool_commands import tool_command
from mmuda.utils.weights import check_finite

from .norm_statistics_hook import average_norm_buffers
from .run_record import RECORD, describe_run, resume_run
from .target_statistics_hook import TargetNormStatisticsHook


@HOOKS.register_module()
class UDACheckpointHook(CheckpointHook):
    """Save checkpoints by iteration so that a crash at any moment is harmless.

    On top of mmengine's hook: files are replaced atomically, old checkpoints
    are removed only after the new one is whole, all processes agree on
    the batch-norm statistics that are saved, and a run whose weights or
    optimizers hold NaN or infinite values ends with a ``DivergedError`` in
    place of a checkpoint.

    Args:
        interval: Iterations between two checkpoints; -1 for none but the
            last.
        by_epoch: Must stay False.
        out_dir: Folder or URI to save to; the work directory by default.
        backend_args: As in mmengine; atomic local files by default.
        new_parts: Parts of the model that start anew in a training that
            begins with other weights (``load_from``): ``heads`` for all of
            the segmentor, or names such as ``attention_head`` and
            ``discriminator``.
        **kwargs: Further arguments of mmengine's ``CheckpointHook``.

    Raises:
        ConfigError: ``by_epoch`` is set, or a checkpoint would be written
            while gradients are being accumulated.
    """

    _default_greater_keys = [*CheckpointHook._default_greater_keys, 'IoU']
    _default_less_keys = [*CheckpointHook._default_less_keys, 'entropy']

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = False,
        out_dir: str | Path | None = None,
        backend_args: dict | None = None,
        new_parts: Sequence[str] = (),
        **kwargs,
    ) -> None:
        if by_epoch:
            raise ConfigError(
                'default_hooks.checkpoint.by_epoch must be False: domain '
                'adaptation is trained by iteration'
            )
        if backend_args is None and '://' not in str(out_dir):
            backend_args = dict(backend='atomic')
        super().__init__(
            interval=interval,
            by_epoch=False,
            out_dir=out_dir,
            backend_args=backend_args,
            **kwargs,
        )
        self.new_parts = tuple(new_parts)
        # Steps whose checkpoints stay, however many there are.
        self._lasting: set[int] = set()
        self._record: dict | None = None

    def before_train(self, runner: Runner) -> None:
        """Prepare the folder, and check the intervals and the schedule.

        Raises:
            ConfigError: An interval does not fit gradient accumulation, the
                schedule counts epochs, or ends at rate 0 before the training
                does, or a hook is missing that the model needs.
        """
        super().before_train(runner)
        require_needed_hooks(runner)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            check_steps_are_taken(runner.param_schedulers)
        check_no_idle_training(
            runner.optim_wrapper,
            runner.param_schedulers,
            runner.iter,
            runner.max_iters,
        )
        self._record = describe_run(runner)
        period = accumulation_period(runner.optim_wrapper)
        saved_at = {
            'default_hooks.checkpoint.interval': self.interval,
            'default_hooks.checkpoint.save_begin': self.save_begin,
        }
        if self.save_best and runner.val_loop is not None:
            saved_at['train_cfg.val_interval'] = runner.val_interval
        for key, value in saved_at.items():
            if value > 0 and value % period:
                raise ConfigError(
                    f'{key}={value} must be a multiple of {period} (the '
                    'accumulative_counts of optim_wrapper): a run resumed in '
                    'between would lose accumulated gradients'
                )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint of something else.

        Raises:
            CheckpointError: The run is resumed and the checkpoint is not one
                of this model and these optimizers; or it does not cover the
                model, or is of other classes.
        """
        if runner._resume and trains(runner):
            model = unwrap(runner.model)
            file = str(runner._load_from or 'the checkpoint')
            try:
                check_resumable(checkpoint, model, runner.optim_wrapper)
            except CheckpointError as error:
                raise CheckpointError(f'{file}: {error}') from error
            check_finite(dict(flat_state(checkpoint['optimizer'])), file)
            take_training_statistics(checkpoint, file)
            resume_run(runner, checkpoint, file)
        check_loaded(runner, checkpoint, self.new_parts)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Store what the run was started with; resuming compares it."""
        if self._record is not None:
            checkpoint['meta'][RECORD] = self._record

    def save_now(self, runner: Runner, finished: int) -> None:
        """Save between two iterations, unless that is done already.

        Every process must call it.

        Args:
            runner: After all other hooks of the last iteration.
            finished: Number of iterations that are finished.
        """
        name = self.filename_tmpl.format(finished)
        if self.last_ckpt is None or Path(self.last_ckpt).name != name:
            meta = dict(epoch=runner.epoch, iter=finished)
            self._save_checkpoint_with_step(runner, finished, meta)

    def keep_last_until(self, step: int) -> Callable[[], str] | None:
        """Keep the last checkpoint that is saved by the interval until then.

        Args:
            step: Until after so many iterations of the whole training.

        Returns:
            What tells its path once training has begun; None if there is
            none.
        """
        first = self.save_begin or self.interval
        if self.interval <= 0 or step < first:
            return None
        last = first + (step - first) // self.interval * self.interval
        self._lasting.add(last)
        return lambda: self._path(self.filename_tmpl.format(last))

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        # Replaces the parent's, which removes before it saves and leaves
        # half a "last_checkpoint" behind if it is stopped at that moment.
        _prepare_to_save(runner, step)
        outdated = self._keep(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self._path(name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=False,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            pointer = Path(runner.work_dir, 'last_checkpoint')
            atomic_write(pointer, self.last_ckpt)
            if outdated is not None:
                self._remove(self._path(self.filename_tmpl.format(outdated)))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        _require_metrics(self.key_indicators, metrics)
        _prepare_to_save(runner, runner.iter)
        # One metric has an attribute, several have a dict.
        single = len(self.key_indicators) == 1
        paths: dict[str, Any] = (
            self.__dict__ if single else self.best_ckpt_path_dict
        )
        keys = ['best_ckpt_path'] if single else self.key_indicators
        previous = {key: paths[key] for key in keys}
        # The parent removes before it saves what it finds here.
        paths.update(dict.fromkeys(keys))
        super()._save_best_checkpoint(runner, metrics)
        for key, path in previous.items():
            if paths[key] is None:
                paths[key] = path
            elif path and path != paths[key] and is_main_process():
                self._remove(path)

    def _keep(self, runner: Runner, step: int) -> int | None:
        """Note a step to be kept; return the one that it pushes out."""
        if self.max_keep_ckpts <= 0 or step in self._lasting:
            return None
        if step in self.keep_ckpt_ids:
            return None
        full = len(self.keep_ckpt_ids) == self.max_keep_ckpts
        outdated = self.keep_ckpt_ids.popleft() if full else None
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info(
            'keep_ckpt_ids', list(self.keep_ckpt_ids)
        )
        return outdated

    def _path(self, name: str) -> str:
        return str(self.file_backend.join_path(str(self.out_dir), name))

    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)


def _require_metrics(names: Sequence[str], metrics: dict) -> None:
    """Refuse ``save_best`` of what a validation does not give."""
    for name in names:
        # MMEngine warns where there is none at all.
        if metrics and name != 'auto' and name not in metrics:
            raise ConfigError(
                f"default_hooks.checkpoint.save_best='{name}': the validation "
                f'gives no such value{did_you_mean(name, metrics)}; there are '
                f'{", ".join(metrics)}'
            )


def _prepare_to_save(runner: Runner, finished: int) -> None:
    """Make the state of all processes one, and refuse one that is nothing."""
    average_norm_buffers(runner.model)
    model = unwrap(runner.model)
    require_finite_state(model, runner.optim_wrapper, finished)
    for hook in runner.hooks:
        if isinstance(hook, TargetNormStatisticsHook):
            hook.prepare_save(runner, finished)


def _new_heads() -> str:
    train = tool_command('train.py', 'CONFIG', '--new-parts', 'heads')
    return f'; or train new heads, {train}'


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
        remedy = _new_heads() if starts else ''
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
