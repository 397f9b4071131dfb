# Copyright (c) mmuda authors.
"""Evaluating images of any size in little memory."""

from collections.abc import Iterable

from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner
from mmseg.evaluation import IoUMetric
from torch import nn

from mmuda.models.players import unwrap
from mmuda.models.segmentors import DomainTTAModel
from mmuda.models.segmentors.strip_predictions import LOGITS, choose_outputs
from mmuda.registry import HOOKS


@HOOKS.register_module()
class LeanPredictionHook(Hook):
    """Leave out logits at the size of the image if no metric looks at them.

    A metric says what it needs in ``needed_outputs``: nothing beside the
    classes, ``entropy``, ``kept_strips`` or ``logits``. Others than ours,
    except for those derived from ``IoUMetric``, get logits, and so does the
    test-time augmentation of others than ``DomainTTAModel``. One that
    predicts itself has ``use_model``, which gets the model for the time of an
    evaluation.
    """

    def before_val(self, runner: Runner) -> None:
        """Ask for what the validation needs."""
        _choose(runner, _needed(runner.val_loop))
        _give_model(runner.val_loop, unwrap(runner.model))

    def before_test(self, runner: Runner) -> None:
        """Ask for what the test needs."""
        _choose(runner, _needed(runner.test_loop))
        _give_model(runner.test_loop, unwrap(runner.model))

    def after_val(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        _choose(runner, [LOGITS])
        _give_model(runner.val_loop, None)

    def after_test(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        _choose(runner, [LOGITS])
        _give_model(runner.test_loop, None)


def _needed(loop: BaseLoop) -> set[str]:
    """What all metrics of a loop need."""
    needed: set[str] = set()
    for metric in _metrics(loop):
        usual = () if isinstance(metric, IoUMetric) else (LOGITS,)
        needed.update(getattr(metric, 'needed_outputs', usual))
    return needed


def _metrics(loop: BaseLoop) -> list[BaseMetric]:
    loops = getattr(loop, 'loops', {'': loop}).values()
    return [metric for part in loops for metric in part.evaluator.metrics]


def _give_model(loop: BaseLoop, model: nn.Module | None) -> None:
    for metric in _metrics(loop):
        if hasattr(metric, 'use_model'):
            metric.use_model(model)


def _choose(runner: Runner, outputs: Iterable[str]) -> None:
    model = unwrap(runner.model)
    if isinstance(model, DomainTTAModel):
        model.choose_outputs(outputs)
    elif not isinstance(model, BaseTTAModel):
        choose_outputs(model, outputs)
