# Copyright (c) mmuda authors.
"""Predicting by batch-norm statistics of the target."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor
from torch import nn

from mmuda.engine.loops import trains
from mmuda.evaluation.target_statistics import (
    TargetStatistics,
    measure_missing,
)
from mmuda.models.norm_statistics import (
    Statistics,
    hold_target_statistics,
    holds_target_statistics,
    set_statistics,
    statistics_of,
)
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError

from .norm_statistics_hook import average_norm_buffers


@HOOKS.register_module()
class TargetNormStatisticsHook(Hook):
    """Measure batch-norm statistics on the target for all that predicts.

    In a training the networks have them while it validates, while it labels
    (``PseudoLabelRefreshHook``) and in checkpoints; in between they have
    their own again, so that the training is the same with the hook and
    without it. A checkpoint keeps these, too, for a run that resumes. So
    tests, labelling and other programs find statistics of the target in the
    weights, and need not know of it.

    In a test it measures those of a checkpoint that has none.

    ``model.norm_statistics='target'`` adds the hook.

    Args:
        images: These and the others are as of
            :class:`~mmuda.evaluation.target_statistics.TargetStatistics`.
        batch_size: Images that are normalised together.
        num_workers: Processes that load images.
        pipeline: Transforms of the images, without labels.
        datasets: Data sets of images by target.
        frozen: Whether norms that training leaves alone are measured, too.

    Raises:
        ConfigError: An option is out of its range.
    """

    # After statistics of several processes are averaged.
    priority = 'LOW'

    def __init__(
        self,
        images: int = 256,
        batch_size: int = 4,
        num_workers: int = 2,
        pipeline: list | None = None,
        datasets: dict | None = None,
        frozen: bool = False,
    ) -> None:
        self.options = TargetStatistics(
            images, batch_size, num_workers, pipeline, datasets, frozen
        )
        # Of the weights after so many iterations, by child of the model.
        self._measured: dict[str, Statistics] = {}
        self._measured_at = -1
        self._replaced: dict[str, Statistics] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the images, and what saves.

        Raises:
            ConfigError: Checkpoints would hold other statistics.
            DataError: There are no images.
        """
        if not any(hasattr(hook, 'save_now') for hook in runner.hooks):
            raise ConfigError(
                'TargetNormStatisticsHook needs default_hooks.checkpoint.type='
                "'UDACheckpointHook', which saves what it measures"
            )
        self.options.prepare(runner.cfg)

    def before_train_iter(self, runner: Runner, *_, **__) -> None:
        """Go on with the statistics of the training, whatever happened."""
        self._give_back(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Validate with statistics of the target."""
        if trains(runner):
            model = unwrap(runner.model)
            self._put_in(runner, [_predicting(model)], runner.iter)
        else:
            self.before_test_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics=None) -> None:
        """Go on with those of the training."""
        self._give_back(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what a checkpoint holds that is tested."""
        self._measured_at = -1
        model = _method(runner)
        model.has_target_statistics = holds_target_statistics(checkpoint)

    def before_test_epoch(self, runner: Runner) -> None:
        """Measure statistics of the target, unless the weights have them."""
        if not trains(runner):
            measure_missing(_method(runner), self.options, runner.cfg)

    @contextmanager
    def in_use(self, runner: Runner, finished: int) -> Iterator[None]:
        """Predict with statistics of the target inside the block.

        Args:
            runner: In training. All processes take part.
            finished: Number of iterations that are finished.
        """
        self._put_in(runner, [_predicting(unwrap(runner.model))], finished)
        try:
            yield
        finally:
            self._give_back(runner)

    def prepare_save(self, runner: Runner, finished: int) -> None:
        """Measure what a checkpoint will hold.

        Args:
            runner: In training. All processes take part.
            finished: Number of iterations that are finished.
        """
        self._give_back(runner)
        model = unwrap(runner.model)
        self._measure(runner, _networks(model), finished)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Let the checkpoint predict by statistics of the target."""
        found = {name: part for name, part in self._measured.items() if part}
        if found:
            count = self.options.count
            hold_target_statistics(checkpoint, found, images=count)

    def _measure(
        self, runner: Runner, networks: list[str], finished: int
    ) -> None:
        if self._measured_at != finished:
            self._measured, self._measured_at = {}, finished
            average_norm_buffers(runner.model)
        if not self.options.is_prepared:
            # Another hook labels before the training.
            self.options.prepare(runner.cfg)
        model = unwrap(runner.model)
        for name in networks:
            if name not in self._measured:
                network = unwrap(getattr(model, name)) if name else model
                self._measured[name] = self.options.measure(model, network)

    def _put_in(
        self, runner: Runner, networks: list[str], finished: int
    ) -> None:
        if self._replaced:
            return
        self._measure(runner, networks, finished)
        model = unwrap(runner.model)
        for name in networks:
            network = unwrap(getattr(model, name)) if name else model
            norms = dict.fromkeys(
                key.rpartition('.')[0] for key in self._measured[name]
            )
            self._replaced[name] = statistics_of(network, norms)
            set_statistics(network, self._measured[name])

    def _give_back(self, runner: Runner) -> None:
        model = unwrap(runner.model)
        for name, statistics in self._replaced.items():
            network = unwrap(getattr(model, name)) if name else model
            set_statistics(network, statistics)
        self._replaced = {}


def _method(runner: Runner) -> BaseSegmentor:
    """The model that is tested, without test-time augmentation."""
    model = unwrap(runner.model)
    return model.module if isinstance(model, BaseTTAModel) else model


def _predicting(model: nn.Module) -> str:
    """Name of the child that validates; '' for the model itself."""
    return getattr(model, 'predict_on', '')


def _networks(model: nn.Module) -> list[str]:
    """Names of the networks that may be taken out of a checkpoint."""
    names = [getattr(model, 'main', '')]
    if getattr(model, 'teacher', None) is not None:
        names.append('teacher')
    return names


@contextmanager
def predicting_statistics(runner: Runner, finished: int) -> Iterator[None]:
    """What a network predicts by inside the block, besides validation.

    Args:
        runner: In training. All processes take part.
        finished: Number of iterations that are finished.
    """
    with ExitStack() as stack:
        for hook in runner.hooks:
            if isinstance(hook, TargetNormStatisticsHook):
                stack.enter_context(hook.in_use(runner, finished))
        yield
