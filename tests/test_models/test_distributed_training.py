"""Two gloo processes against one, on models that share nothing else."""

import warnings

import gloo
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from test_mixed_precision import BF16
from tiny_models import batch, model_config, optim_config, segmentor_config

from mmuda.models import UDADistributedDataParallel
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules


def build(method='AdvEnt', frozen_statistics=True, **kwargs):
    register_all_modules()
    torch.manual_seed(0)
    segmentor = segmentor_config(
        kwargs.pop('two_heads', True), norm_eval=frozen_statistics
    )
    model = MODELS.build(model_config(method, segmentor=segmentor, **kwargs))
    model.init_weights()
    return model.train()


def part(data, index):
    return {
        key: {domain: [items[index]] for domain, items in value.items()}
        for key, value in data.items()
    }


def train(model, method, batches, **wrapper):
    wrappers = build_optim_wrapper(model, optim_config(method, **wrapper))
    wrappers.initialize_count_status(model, 0, len(batches))
    for data in batches:
        model.train_step(data, wrappers)


def train_rank(method, kwargs, wrapper):
    model = build(method, **kwargs)
    # DDP warns of gradients whose strides are not those of the weights.
    warnings.simplefilter('error', UserWarning)
    lay_out(model, wrapper.get('precision', 'fp32'))
    model = UDADistributedDataParallel(model)
    batches = [part(batch(2, seed), get_rank()) for seed in range(2)]
    train(model, method, batches, **wrapper)
    return model.module.state_dict()


def in_two_processes(folder, method='AdvEnt', wrapper=None, **kwargs):
    return gloo.run(train_rank, folder, method, kwargs, wrapper or {})


def parameters(state):
    return {k: v for k, v in state.items() if 'running' not in k}


@pytest.mark.parametrize('method', ['AdvEnt', 'MinEnt'])
def test_parameters_are_bit_equal_over_ranks(tmp_path, method):
    first, second = in_two_processes(tmp_path, method, frozen_statistics=False)
    for name, value in parameters(first).items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize('method', ['AdvEnt', 'MinEnt'])
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, method):
    first, _ = in_two_processes(tmp_path, method)
    model = build(method)
    train(model, method, [batch(2, seed) for seed in range(2)])
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[name], rtol=0, atol=1e-6, msg=name
        )


def test_bfloat16_is_alike_in_two_processes_and_one(tmp_path):
    first, second = in_two_processes(tmp_path, wrapper=BF16)
    model = build()
    train(model, 'AdvEnt', [batch(2, seed) for seed in range(2)], **BF16)
    for name, value in model.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        # Gradients are rounded to 8 bits before they are averaged.
        torch.testing.assert_close(
            value, first[name], rtol=0.01, atol=1e-3, msg=name
        )


def test_accumulation_without_synchronisation_equals_one_process(tmp_path):
    changes = dict(
        optimizer=dict(type='SGD', lr=0.1),
        paramwise_cfg=None,
        accumulative_counts=2,
    )
    first, _ = in_two_processes(tmp_path, 'AdvEnt', changes)
    model = build('AdvEnt')
    train(model, 'AdvEnt', [batch(2, seed) for seed in range(2)], **changes)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[name], rtol=0, atol=1e-6, msg=name
        )


def test_single_level_on_a_two_head_network_trains(tmp_path):
    """The auxiliary head gets no adversarial gradient; DDP must not hang."""
    discriminator = dict(
        type='MultiLevelDiscriminator',
        levels=['decode'],
        in_channels=5,
        base_channels=4,
    )
    first, second = in_two_processes(
        tmp_path,
        discriminator=discriminator,
        adversarial_weights=dict(decode=0.1),
    )
    for name, value in parameters(first).items():
        assert torch.equal(value, second[name]), name


def test_checkpoint_keys_have_no_wrapper_prefix(tmp_path):
    first, _ = in_two_processes(tmp_path)
    assert list(first) == list(build().state_dict())


def predict_with(state):
    model = build().eval()
    model.load_state_dict(state)
    image = batch(1, seed=9)['inputs']['target'][0].float()[None]
    with torch.no_grad():
        return model.predict(image)[0].seg_logits.data


def test_two_process_checkpoint_predicts_alike_in_one_process(tmp_path):
    first, second = in_two_processes(tmp_path)
    assert torch.equal(predict_with(first), predict_with(second))


def gradients_inside_no_sync():
    model = UDADistributedDataParallel(build('SourceOnly'))
    data = part(batch(2), get_rank())
    data = model.module.data_preprocessor(data, True)
    with model.no_sync():
        losses = model.module.losses_on(data.source, {})
        losses['source.decode.loss_ce'].backward()
    head = model.module.segmentor.module.decode_head
    return head.conv_seg.weight.grad


def test_no_sync_keeps_gradients_local(tmp_path):
    first, second = gloo.run(gradients_inside_no_sync, tmp_path)
    assert not torch.allclose(first, second)


def wrap_with_broadcast():
    try:
        UDADistributedDataParallel(build(), broadcast_buffers=True)
    except ConfigError as error:
        return str(error)


def test_broadcasting_buffers_is_refused(tmp_path):
    messages = gloo.run(wrap_with_broadcast, tmp_path)
    assert all('broadcast_buffers must be False' in m for m in messages)
