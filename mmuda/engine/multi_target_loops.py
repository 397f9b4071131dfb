# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Validating and testing on several targets with one model."""

import math
from collections.abc import Mapping, Sequence

from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop

from mmuda.registry import LOOPS
from mmuda.utils.errors import ConfigError

MEAN = 'mean'


class _MultiTargetLoop(BaseLoop):
    """Runs one of mmengine's loops for each target, as if it were one.

    Args:
        runner: The runner.
        dataloader: Config of each target's loader.
        evaluator: Config of each target's evaluator, in the same order; each
            has a ``prefix`` of its own.
        averaged: Metrics to average over the targets.
        **kwargs: Further arguments of mmengine's loop.

    Raises:
        ConfigError: There is not one evaluator for each loader.
    """

    single: type[BaseLoop]
    event: str

    def __init__(
        self,
        runner: Runner,
        dataloader: Sequence[dict],
        evaluator: Sequence[dict],
        averaged: Sequence[str] = ('mIoU', 'mAcc', 'aAcc', 'entropy'),
        **kwargs,
    ) -> None:
        loaders, evaluators = list(dataloader), list(evaluator)
        if not loaders or len(loaders) != len(evaluators):
            raise ConfigError(
                f'{self.event}_dataloader has {len(loaders)} targets, '
                f'{self.event}_evaluator {len(evaluators)}; give a list with '
                'one of each for every target'
            )
        self._runner = runner
        self.averaged = tuple(averaged)
        self.loops = [
            self.single(runner, loader, evaluator, **kwargs)
            for loader, evaluator in zip(loaders, evaluators, strict=True)
        ]
        self.current = self.loops[0]

    @property
    def dataloaders(self) -> list:
        """Loader of each target."""
        return [loop.dataloader for loop in self.loops]

    @property
    def dataloader(self):
        """Loader of the target that is being evaluated."""
        return self.current.dataloader

    @property
    def evaluator(self):
        """Evaluator of the target that is being evaluated."""
        return self.current.evaluator

    def run(self) -> dict[str, float]:
        """Evaluate every target.

        Returns:
            Metrics of all targets, and ``mean/<metric>`` over them.

        Raises:
            ConfigError: Two targets give metrics of one name.
        """
        runner, metrics = self._runner, {}
        runner.call_hook(f'before_{self.event}')
        runner.call_hook(f'before_{self.event}_epoch')
        runner.model.eval()
        for loop in self.loops:
            self.current = loop
            runner.visualizer.dataset_meta = loop.dataloader.dataset.metainfo
            for index, batch in enumerate(loop.dataloader):
                loop.run_iter(index, batch)
            found = loop.evaluator.evaluate(len(loop.dataloader.dataset))
            _require_own_names(metrics, found, self.event)
            metrics |= found
        metrics |= mean_metrics(metrics, self.averaged)
        runner.call_hook(f'after_{self.event}_epoch', metrics=metrics)
        runner.call_hook(f'after_{self.event}')
        return metrics


@LOOPS.register_module()
class MultiTargetValLoop(_MultiTargetLoop):
    """Validation on several targets; ``val_dataloader`` is a list.

    ``mean/mIoU`` serves ``save_best``. A target without validation labels is
    left out of the lists.
    """

    single = ValLoop
    event = 'val'


@LOOPS.register_module()
class MultiTargetTestLoop(_MultiTargetLoop):
    """Test on several targets; ``test_dataloader`` is a list."""

    single = TestLoop
    event = 'test'


def dataloaders_of(loop: BaseLoop | None) -> list:
    """Loaders of a validation or test loop of one or several targets."""
    if loop is None:
        return []
    return getattr(loop, 'dataloaders', [loop.dataloader])


def mean_metrics(
    metrics: Mapping[str, float], names: Sequence[str]
) -> dict[str, float]:
    """Mean over the targets that have a metric.

    Args:
        metrics: Values by ``<target>/<metric>``.
        names: Metrics to average.

    Returns:
        Values by ``mean/<metric>``; a target whose value is not a number is
        left out, and so is a metric that no target has.
    """
    means = {}
    for name in names:
        values = [
            value
            for key, value in metrics.items()
            if key.rpartition('/')[2] == name and not math.isnan(value)
        ]
        if values:
            means[f'{MEAN}/{name}'] = float(sum(values) / len(values))
    return means


def _require_own_names(
    metrics: Mapping[str, float], found: Mapping[str, float], event: str
) -> None:
    for name in found:
        if name in metrics or '/' not in name:
            raise ConfigError(
                f"{event}_evaluator: the metric '{name}' does not say which "
                'target it is of; give the evaluator of each target a prefix '
                'of its own'
            )
