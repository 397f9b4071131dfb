# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Evaluating images of any size in little memory."""

from collections.abc import Iterable

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner
from mmseg.evaluation import IoUMetric

from mmuda.models.players import unwrap
from mmuda.models.segmentors import DomainTTAModel
from mmuda.models.segmentors.strip_predictions import LOGITS, choose_outputs
from mmuda.registry import HOOKS


@HOOKS.register_module()
class LeanPredictionHook(Hook):
    """Leave out logits at the size of the image if no metric looks at them.

    A metric says what it needs in ``needed_outputs``: nothing beside the
    classes, ``entropy`` or ``logits``. Others than ours, except for those
    derived from ``IoUMetric``, get logits, and so does the test-time
    augmentation of others than ``DomainTTAModel``.
    """

    def before_val(self, runner: Runner) -> None:
        """Ask for what the validation needs."""
        _choose(runner, _needed(runner.val_loop))

    def before_test(self, runner: Runner) -> None:
        """Ask for what the test needs."""
        _choose(runner, _needed(runner.test_loop))

    def after_val(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        _choose(runner, [LOGITS])

    def after_test(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        _choose(runner, [LOGITS])


def _needed(loop: BaseLoop) -> set[str]:
    """What all metrics of a loop need."""
    loops = getattr(loop, 'loops', {'': loop}).values()
    metrics = [metric for part in loops for metric in part.evaluator.metrics]
    needed: set[str] = set()
    for metric in metrics:
        usual = () if isinstance(metric, IoUMetric) else (LOGITS,)
        needed.update(getattr(metric, 'needed_outputs', usual))
    return needed


def _choose(runner: Runner, outputs: Iterable[str]) -> None:
    model = unwrap(runner.model)
    if isinstance(model, DomainTTAModel):
        model.choose_outputs(outputs)
    elif not isinstance(model, BaseTTAModel):
        choose_outputs(model, outputs)
