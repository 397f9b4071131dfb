# Copyright (c) mmuda authors.
"""A teacher that follows the trained network as its moving average."""

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import nn

from mmuda.models.followers import TEACHER, check_statistics, part_of
from mmuda.models.moving_average import (
    Buffers,
    check_options,
    momentum_of_half_life,
    update_teacher,
    warmed_up_momentum,
)
from mmuda.models.players import player_optim_wrappers, unwrap
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Update the model's teacher after each iteration.

    The teacher of a fresh run starts as the segmentor, whatever teacher the
    file of ``load_from`` holds; that of a resumed run continues exactly. What
    an update does follows from the iteration alone. With gradient
    accumulation the segmentor rests between two steps, but iterations count
    all the same: set ``interval`` to the ``accumulative_counts`` for one
    update a step; a warning says so.

    Args:
        momentum: Weight of the old teacher in an update, from 0 to 1.
        warmup: Use a smaller momentum in the first updates, see
            :func:`~mmuda.models.moving_average.warmed_up_momentum`.
        interval: Iterations between two updates.
        begin: Iteration after which averaging starts; until then each update
            copies the segmentor.
        buffers: Whether running statistics of norms are copied from the
            segmentor (``copy``), averaged like weights (``ema``), or left to
            a teacher that counts its own (``keep``), with
            ``model.teacher=dict(mode='own_statistics')``.
        teacher: Name of the follower that is updated.
        half_life: Part of the training after which a student weighs half of
            what it did, in place of ``momentum``, which then is
            :func:`~mmuda.models.moving_average.momentum_of_half_life`; so
            that teachers of short trainings are not made for long ones.

    Raises:
        ConfigError: An argument is out of its range.
    """

    # Before all that uses the teacher after an iteration: labelling, saving.
    priority = 'ABOVE_NORMAL'

    def __init__(
        self,
        momentum: float = 0.999,
        warmup: bool = True,
        interval: int = 1,
        begin: int = 0,
        buffers: Buffers = 'copy',
        teacher: str = TEACHER,
        half_life: float | None = None,
    ) -> None:
        options = dict(
            momentum=momentum,
            warmup=warmup,
            interval=interval,
            begin=begin,
            buffers=buffers,
            half_life=half_life,
        )
        check_options(options, 'MeanTeacherHook')
        self.momentum = momentum
        self.warmup = warmup
        self.interval = interval
        self.begin = begin
        self.buffers = buffers
        self.teacher = teacher
        self.half_life = half_life

    def before_train(self, runner: Runner) -> None:
        """Start a fresh run's teacher.

        Raises:
            ConfigError: The model has no teacher, an optimizer trains it, or
                its running statistics would be of no one.
        """
        model = unwrap(runner.model)
        if getattr(model, self.teacher, None) is None:
            needed = f"MeanTeacherHook(teacher='{self.teacher}') needs it"
            remedy = 'have a term bring it'
            if self.teacher == TEACHER:
                needed = 'MeanTeacherHook needs model.teacher=True'
                remedy = 'set it'
            raise ConfigError(
                f'{needed}; {remedy}, or take the hook out of custom_hooks'
            )
        check_statistics(model.followers[self.teacher].mode, self.buffers)
        teacher = getattr(model, self.teacher)
        student = self._student(model)
        _check_not_optimized(teacher, student, runner.optim_wrapper)
        if self.half_life is not None:
            updates = self.half_life * runner.max_iters / self.interval
            self.momentum = momentum_of_half_life(updates)
        self._tell_accumulation(runner)
        if runner.iter == 0:
            update_teacher(teacher, student, 0, self.buffers)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the teacher towards the segmentor, which has stepped."""
        if self.every_n_train_iters(runner, self.interval):
            model = unwrap(runner.model)
            update_teacher(
                getattr(model, self.teacher),
                self._student(model),
                self.momentum_after(runner.iter + 1),
                self.buffers,
            )

    def _tell_accumulation(self, runner: Runner) -> None:
        """Warn of several updates by one and the same step."""
        player = unwrap(runner.model).followers[self.teacher].of
        wrappers = player_optim_wrappers(runner.optim_wrapper)
        if player not in wrappers:
            return
        count = wrappers[player]._accumulative_counts
        if self.interval % count:
            print_log(
                f'MeanTeacherHook.interval={self.interval}: the optimizer '
                f'steps every {count} iterations (accumulative_counts of '
                'optim_wrapper), so that the teacher follows faster than by '
                f'momentum={self.momentum} a step; for one update a step set '
                f'model.teacher=dict(interval={count})',
                'current',
                logging.WARNING,
            )

    def _student(self, model: BaseModel) -> nn.Module:
        """What the teacher is the average of."""
        return part_of(model, model.followers[self.teacher].of)

    def momentum_after(self, iteration: int) -> float:
        """Momentum of the update that follows an iteration.

        Args:
            iteration: Number of finished iterations, from 1.

        Returns:
            Weight of the old teacher; 0 up to iteration ``begin``.
        """
        if iteration <= self.begin:
            return 0.0
        if not self.warmup:
            return self.momentum
        updates = iteration // self.interval - self.begin // self.interval
        return warmed_up_momentum(updates, self.momentum)


def _check_not_optimized(
    teacher: nn.Module,
    student: nn.Module,
    optim_wrapper: OptimWrapper | OptimWrapperDict,
) -> None:
    own = {id(parameter) for parameter in teacher.parameters()}
    # Frozen ones of both are held, and not trained, by the student's.
    own -= {id(parameter) for parameter in student.parameters()}
    for player, wrapper in player_optim_wrappers(optim_wrapper).items():
        for group in wrapper.param_groups:
            if any(id(parameter) in own for parameter in group['params']):
                raise ConfigError(
                    f'optim_wrapper: the optimizer of {player} has tensors of '
                    "the teacher; use constructor='MultiOptimWrapper"
                    "Constructor' without an entry 'teacher'"
                )
