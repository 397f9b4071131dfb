"""Mixed precision of methods for several targets, on the CPU."""

import pytest
import torch
from collaborative_models import METHODS, build
from mmengine.optim import build_optim_wrapper
from several_targets import softly_labelled
from test_mixed_precision import BF16, SCALED


def train(method, iterations=2, **wrapper):
    model = build(method)
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
    config = dict(
        constructor='MultiOptimWrapperConstructor', segmentor=sgd | wrapper
    )
    for entry in ('discriminator', 'expert'):
        if any(name.startswith(entry) for name, _ in model.named_children()):
            config[entry] = sgd | wrapper
    wrappers = build_optim_wrapper(model, config)
    logs = [
        model.train_step(softly_labelled(2, seed=i), wrappers)
        for i in range(iterations)
    ]
    return model.state_dict(), logs


@pytest.mark.parametrize('method', METHODS)
def test_scaled_losses_give_the_same_weights(method):
    plain, _ = train(method)
    scaled, _ = train(method, **SCALED)
    for name, value in plain.items():
        torch.testing.assert_close(
            value, scaled[name], rtol=1e-4, atol=1e-5, msg=name
        )


@pytest.mark.parametrize('method', METHODS)
def test_bfloat16_losses_stay_near_those_of_single_precision(method):
    # The second iteration of CoaST has styles.
    _, plain = train(method)
    _, half = train(method, **BF16)
    for name, value in plain[-1].items():
        if 'loss' in name:
            assert half[-1][name].item() == pytest.approx(
                value.item(), rel=0.1, abs=0.02
            ), name


@pytest.mark.parametrize('method', METHODS)
def test_bfloat16_losses_are_computed_in_single_precision(method):
    _, logs = train(method, 1, **BF16)
    kept = {value.dtype for name, value in logs[0].items() if 'loss' in name}
    assert kept == {torch.float32}
