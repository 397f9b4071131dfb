# Copyright (c) mmuda authors.
"""Validating and testing on several targets with one model."""

import logging
import math
from collections.abc import Collection, Mapping, Sequence

from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop
from prettytable import PrettyTable
from torch.utils.data import Dataset

from mmuda.datasets.sets.missing_labels import labels_elsewhere, missing_labels
from mmuda.registry import LOOPS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.names import head_name
from mmuda.utils.tool_commands import tool_command

from .predicting_head import check_own_heads, predicting_by
from .unlabelled import predicting_only

MEAN = 'mean'


class _MultiTargetLoop(BaseLoop):
    """Runs one of mmengine's loops for each target, as if it were one.

    A target none of whose labels are there is reported as not evaluated.

    Args:
        runner: The runner.
        dataloader: Config of each target's loader.
        evaluator: Config of each target's evaluator, in the same order; its
            ``prefix`` is the name of the target.
        averaged: Metrics to average over the targets.
        own_heads: Predict each target by its own head of a
            ``MultiHeadEncoderDecoder`` instead of by ``predict_head``.
        predict_unlabelled: Predict targets without labels, too, for what
            writes predictions.
        **kwargs: Further arguments of mmengine's loop.

    Raises:
        ConfigError: There is not one evaluator for each loader, two targets
            have one name, the model has not these targets' heads, or labels
            of Vistas are in another folder than configured.
        DataError: The data of a target is incomplete, or no target has
            labels.
    """

    single: type[BaseLoop]
    event: str

    def __init__(
        self,
        runner: Runner,
        dataloader: Sequence[dict],
        evaluator: Sequence[dict],
        averaged: Sequence[str] = ('mIoU', 'mAcc', 'aAcc', 'entropy'),
        own_heads: bool = False,
        predict_unlabelled: bool = False,
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
        self.own_heads = own_heads
        self.predict_unlabelled = predict_unlabelled
        names = _target_names(
            [runner.build_evaluator(part) for part in evaluators], self.event
        )
        if own_heads:
            check_own_heads(runner.model, names)
        self.loops: dict[str, BaseLoop] = {}
        self.unlabelled: dict[str, str] = {}
        for name, loader, part in zip(names, loaders, evaluators, strict=True):
            self._add(name, loader, part, kwargs)
        if not self.loops:
            reasons = ', '.join(dict.fromkeys(self.unlabelled.values()))
            raise DataError(
                f'{self.event}_dataloader: no target can be evaluated, as '
                f'{reasons}; complete the download, correct '
                'data_prefix.seg_map_path, or write predictions without '
                f'labels by {tool_command("test.py")} CONFIG CHECKPOINT --out '
                'DIR'
            )
        self.current_target = next(iter(self.loops))

    def _add(
        self,
        target: str,
        loader: dict,
        evaluator: dict | list[dict],
        kwargs: dict,
    ) -> None:
        dataset = loader['dataset']
        reason = _missing_labels(dataset)
        if reason is not None:
            self.unlabelled[target] = reason
            print_log(
                f"Target '{target}' is not evaluated: "
                f'{reason}{labels_elsewhere(dataset)}',
                logger='current',
                level=logging.WARNING,
            )
            if not self.predict_unlabelled:
                return
            loader, evaluator = predicting_only(loader, evaluator)
        self.loops[target] = self.single(
            self._runner,
            loader,
            self._runner.build_evaluator(evaluator),
            **kwargs,
        )

    @property
    def current(self) -> BaseLoop:
        """Loop of the target that is being evaluated."""
        return self.loops[self.current_target]

    @property
    def dataloaders(self) -> list:
        """Loader of each target that is evaluated."""
        return [loop.dataloader for loop in self.loops.values()]

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
        runner, results = self._runner, {}
        metrics: dict[str, float] = {}
        runner.call_hook(f'before_{self.event}')
        runner.call_hook(f'before_{self.event}_epoch')
        runner.model.eval()
        for target in self.loops:
            self.current_target = target
            found = self._evaluate(target)
            _require_own_names(metrics, found, self.event)
            metrics |= found
            if target not in self.unlabelled:
                results[target] = found
        metrics |= self._summarise(results) if results else {}
        runner.call_hook(f'after_{self.event}_epoch', metrics=metrics)
        runner.call_hook(f'after_{self.event}')
        return metrics

    def _summarise(
        self, results: Mapping[str, Mapping[str, float]]
    ) -> dict[str, float]:
        """Print the metrics of all targets; return their means."""
        values = {k: v for found in results.values() for k, v in found.items()}
        mean = mean_metrics(values, self.averaged)
        short = {
            target: _short_names(found, self._prefixes(target))
            for target, found in results.items()
        }
        means = _short_names(mean, [MEAN])
        summary = summary_table(short, means, self.unlabelled)
        tables = f'{class_table(short)}\n{summary}'.strip()
        print_log(f'Results on all targets:\n{tables}', 'current')
        return mean

    def _prefixes(self, target: str) -> list[str]:
        metrics = self.loops[target].evaluator.metrics
        return [metric.prefix for metric in metrics if metric.prefix]

    def _evaluate(self, target: str) -> dict[str, float]:
        loader = self.dataloader
        self._runner.visualizer.dataset_meta = loader.dataset.metainfo
        head = head_name(target) if self.own_heads else None
        with predicting_by(self._runner.model, head):
            for index, batch in enumerate(loader):
                self.current.run_iter(index, batch)
        print_log(f'Results on {target}:', 'current')
        return self.evaluator.evaluate(len(loader.dataset))


@LOOPS.register_module()
class MultiTargetValLoop(_MultiTargetLoop):
    """Validation on several targets; ``val_dataloader`` is a list.

    ``mean/mIoU`` serves ``save_best``. A target without validation labels is
    reported as not evaluated and left out of the mean.
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


def _missing_labels(dataset: Dataset | dict) -> str | None:
    """Why a data set is not evaluated; other faults are told by itself."""
    if isinstance(dataset, Dataset):
        return None
    try:
        return missing_labels(dataset)
    except DataError:
        return None


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


def _target_names(evaluators: Sequence[Evaluator], event: str) -> list[str]:
    """Return the prefix of each target's first metric."""
    names = [evaluator.metrics[0].prefix for evaluator in evaluators]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigError(
                f'{event}_evaluator: the metrics of the targets have the '
                f'prefixes {names}, which do not say which target each is of; '
                'give the evaluator of each target a prefix of its own'
            )
    return names


def _short_names(
    metrics: Mapping[str, float], prefixes: Sequence[str]
) -> dict[str, float]:
    """Names without their prefix; targets and classes may have a ``/``."""
    found = {}
    for key, value in metrics.items():
        own = [p for p in prefixes if key.startswith(f'{p}/')]
        found[key.removeprefix(f'{max(own, key=len, default="")}/')] = value
    return found


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


IOU = 'IoU.'
NOT_EVALUATED = 'not evaluated'
_COLUMNS = ('mIoU', 'mAcc', 'aAcc')
_MISSING = '-'
Metrics = Mapping[str, float]


def class_table(results: Mapping[str, Metrics]) -> str:
    """Lay out the IoU of each class, a column for each target.

    Args:
        results: Metrics by target; ``IoU.<class>`` in percent are laid out.

    Returns:
        The table; empty if no target has such metrics.
    """
    names = [name for name in _names(results) if name.startswith(IOU)]
    if not names:
        return ''
    table = PrettyTable(['IoU', *results], align='r')
    table.align['IoU'] = 'l'
    for name in names:
        values = [_text(metrics, name) for metrics in results.values()]
        table.add_row([name.removeprefix(IOU), *values])
    return table.get_string()


def summary_table(
    results: Mapping[str, Metrics],
    mean: Metrics,
    left_out: Collection[str] = (),
) -> str:
    """Lay out what is reported of a model, a row for each target.

    Args:
        results: Metrics by target, in percent; those of classes and of groups
            of images are left out.
        mean: Mean of each metric over the targets.
        left_out: Targets that were not evaluated.

    Returns:
        The table: mIoU, mAcc, aAcc and whatever else the targets have.
    """
    names = [name for name in _names(results) if '.' not in name]
    columns = [name for name in _COLUMNS if name in names]
    columns += [name for name in names if name not in _COLUMNS]
    table = PrettyTable(['target', *columns], align='r')
    table.align['target'] = 'l'
    for target, metrics in results.items():
        table.add_row([target, *(_text(metrics, name) for name in columns)])
    for target in left_out:
        rest = [_MISSING] * (len(columns) - 1)
        table.add_row([target, NOT_EVALUATED, *rest][: 1 + len(columns)])
    title = f'mean of {len(results)}' if left_out else 'mean'
    table.add_row([title, *(_text(mean, name) for name in columns)])
    return table.get_string()


def _names(results: Mapping[str, Metrics]) -> list[str]:
    """Return the metrics of all targets, each once."""
    return list(
        dict.fromkeys(name for metrics in results.values() for name in metrics)
    )


def _text(metrics: Metrics, name: str) -> str:
    value = metrics.get(name, math.nan)
    return _MISSING if math.isnan(value) else f'{value:.2f}'
