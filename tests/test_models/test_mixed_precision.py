"""Loss scaling and autocast on the CPU, where mmengine's wrapper refuses."""

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper, build_optim_wrapper
from tiny_models import batch, model_config, optim_config

from mmuda.registry import MODELS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module(force=True)
class CPUAmpOptimWrapper(AmpOptimWrapper):
    """mmengine's wrapper without its check for a GPU."""

    def __init__(self, enabled_dtype, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.0**10)
        self.cast_dtype = enabled_dtype

    def optim_context(self, model):
        if self.cast_dtype is None:  # scaling alone
            return OptimWrapper.optim_context(self, model)
        return super().optim_context(model)


def train(iterations=2, **wrapper):
    torch.manual_seed(0)
    model = MODELS.build(model_config('AdvEnt'))
    model.init_weights()
    model.train()
    wrappers = build_optim_wrapper(model, optim_config('AdvEnt', **wrapper))
    logs = [
        model.train_step(batch(seed=i), wrappers) for i in range(iterations)
    ]
    return model.state_dict(), logs


def amp(dtype):
    return dict(type='CPUAmpOptimWrapper', enabled_dtype=dtype)


def test_scaled_losses_give_the_same_weights():
    plain, _ = train()
    scaled, _ = train(**amp(None))
    for name, value in plain.items():
        torch.testing.assert_close(
            value, scaled[name], rtol=1e-4, atol=1e-5, msg=name
        )


def test_clipping_sees_unscaled_gradients():
    clip = dict(clip_grad=dict(max_norm=0.5))
    plain, _ = train(**clip)
    scaled, _ = train(**amp(None), **clip)
    for name, value in plain.items():
        torch.testing.assert_close(
            value, scaled[name], rtol=1e-4, atol=1e-5, msg=name
        )


def test_bfloat16_losses_stay_near_those_of_single_precision():
    _, plain = train(1)
    _, half = train(1, **amp(torch.bfloat16))
    for name, value in plain[0].items():
        if 'loss' in name:
            assert half[0][name].item() == pytest.approx(
                value.item(), rel=0.05
            ), name


def test_bfloat16_losses_are_computed_in_single_precision():
    _, logs = train(1, **amp(torch.bfloat16))
    kept = {name: v.dtype for name, v in logs[0].items() if 'loss' in name}
    assert set(kept.values()) == {torch.float32}
