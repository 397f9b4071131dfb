# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Evaluating large images in little memory."""

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner
from mmseg.evaluation import IoUMetric

from mmuda.models.players import unwrap
from mmuda.models.segmentors.plane_predictions import LOGITS, choose_outputs
from mmuda.registry import HOOKS


@HOOKS.register_module()
class LeanPredictionHook(Hook):
    """Leave out the logits of large images where no metric looks at them.

    A metric says what it needs in ``needed_outputs``: nothing beside the
    classes, ``entropy`` or ``logits``. Others than ours, except for those
    derived from ``IoUMetric``, get logits, and so does test-time
    augmentation.
    """

    def before_val(self, runner: Runner) -> None:
        """Ask for what the validation needs."""
        _choose(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Ask for what the test needs."""
        _choose(runner, runner.test_loop)

    def after_val(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        choose_outputs(unwrap(runner.model), [LOGITS])

    def after_test(self, runner: Runner) -> None:
        """Ask for logits again, as others may look at them."""
        choose_outputs(unwrap(runner.model), [LOGITS])


def _choose(runner: Runner, loop: BaseLoop) -> None:
    model = unwrap(runner.model)
    if isinstance(model, BaseTTAModel):
        return
    loops = getattr(loop, 'loops', {'': loop}).values()
    metrics = [metric for part in loops for metric in part.evaluator.metrics]
    needed: set[str] = set()
    for metric in metrics:
        usual = () if isinstance(metric, IoUMetric) else (LOGITS,)
        needed.update(getattr(metric, 'needed_outputs', usual))
    choose_outputs(model, needed)
