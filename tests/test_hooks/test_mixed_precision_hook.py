"""Testing in mixed precision."""

from types import SimpleNamespace

import torch
from tiny_models import model_config, sample

from mmuda.hooks import MixedPrecisionHook
from mmuda.registry import MODELS
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules


def logits(model):
    image, data_sample = sample((33, 41), torch.manual_seed(0), False)
    with torch.no_grad():
        data = dict(inputs=[image], data_samples=[data_sample])
        return model.test_step(data)[0].seg_logits.data


def test_networks_compute_in_bfloat16_between_begin_and_end_of_a_test():
    register_all_modules()
    model = MODELS.build(model_config('MinEnt')).eval()
    lay_out(model, 'bf16')
    plain = logits(model)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        expected = logits(model)
    hook, runner = MixedPrecisionHook('bf16'), SimpleNamespace(model=model)
    hook.before_test(runner)
    mixed = logits(model)
    hook.after_test(runner)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, expected)
    assert not torch.equal(mixed, plain)
    assert torch.equal(logits(model), plain)
