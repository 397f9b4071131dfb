# Copyright (c) mmuda authors.
"""Testing with networks that compute in 16 bits."""

from collections.abc import Sequence
from typing import Literal

from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuda.registry import HOOKS
from mmuda.utils.mixed_precision import computing_in, lay_out


@HOOKS.register_module()
class MixedPrecisionHook(Hook):
    """Let networks compute in 16 bits while they are tested.

    Logits are float32 before they are resized and compared, see
    ``UDAEncoderDecoder``. Validation within a training is in float32, so that
    it gives what a test without ``--amp`` does.

    Args:
        precision: Of the networks.
    """

    def __init__(self, precision: Literal['bf16', 'fp16']) -> None:
        self.precision = precision

    def before_test(self, runner: Runner) -> None:
        """Begin to compute in 16 bits."""
        lay_out(runner.model, self.precision)
        predict, device = runner.model.test_step, get_device()

        def test_step(data: dict | tuple | list) -> Sequence:
            with computing_in(self.precision, device):
                return predict(data)

        vars(runner.model)['test_step'] = test_step

    def after_test(self, runner: Runner) -> None:
        """Compute in float32 again."""
        del vars(runner.model)['test_step']
