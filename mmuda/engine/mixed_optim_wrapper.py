# Copyright (c) mmuda authors.
"""An optimizer wrapper for networks that compute in 16 bits, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from mmuda.registry import OPTIM_WRAPPERS
from mmuda.utils.mixed_precision import computing_in


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(AmpOptimWrapper):
    """mmengine's ``AmpOptimWrapper`` that works on a CPU, too.

    Weights, gradients and the optimizer are float32; networks compute with
    16-bit copies of the weights.

    Args:
        precision: ``bf16`` has the range of float32 and needs no scaling of
            losses; ``fp16`` has finer steps, but small gradients vanish
            without.
        loss_scale: Of ``fp16``: ``dynamic`` begins at 65536 and halves where
            a gradient is infinite, whose step is skipped; a number is kept;
            a dict has the parameters of ``torch.amp.GradScaler``.
        **kwargs: As of mmengine's ``OptimWrapper``.
    """

    def __init__(
        self,
        precision: Literal['bf16', 'fp16'] = 'bf16',
        loss_scale: float | dict | Literal['dynamic'] = 'dynamic',
        **kwargs,
    ) -> None:
        # Not the parent's, which wants a GPU.
        OptimWrapper.__init__(self, **kwargs)
        self.precision = precision
        self.cast_dtype = None  # of the parent
        self._scale_update_param = None
        options: dict = {}
        if isinstance(loss_scale, dict):
            options = dict(loss_scale)
        elif not isinstance(loss_scale, str):
            self._scale_update_param = float(loss_scale)
            options = dict(init_scale=float(loss_scale))
        self._device = get_device()
        # Scales by 1 and looks for nothing unless it is enabled.
        self.loss_scaler = torch.amp.GradScaler(
            self._device, enabled=precision == 'fp16', **options
        )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Compute in 16 bits; see mmengine.

        Args:
            model: The network that is trained.
        """
        with (
            OptimWrapper.optim_context(self, model),
            computing_in(self.precision, self._device),
        ):
            yield

    def state_dict(self) -> dict:
        """State of the optimizer, and of the scaler if there is one."""
        state = super().state_dict()
        if not state['loss_scaler']:
            del state['loss_scaler']
        return state
