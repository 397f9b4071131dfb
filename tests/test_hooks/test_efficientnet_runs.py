"""Trainings of a network that starts from an installed package's weights."""

import pytest
import torch
from efficientnet_files import published_tensors
from gloo import run as run_processes
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from tiny_models import batch, model_config, optim_config, segmentor_config
from tiny_runs import equal, runner, weights
from tools_in_process import load_tool, run_loaded

from mmuda.models import UDADistributedDataParallel
from mmuda.registry import MODELS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules

HOOKS = ['NormStatisticsSyncHook', 'IterationSeedHook']

BF16 = dict(type='MixedPrecisionOptimWrapper', precision='bf16')


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('published') / 'lite0.pth'
    torch.save(published_tensors(), path)
    return path


def segmentor(file):
    config = segmentor_config(two_heads=False)
    config['backbone'] = dict(
        type='EfficientNetLite',
        output_stride=8,
        out_indices=(3,),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint=str(file)),
    )
    config['decode_head'] |= dict(in_channels=80, in_index=0)
    return config


def run(file, folder, iterations, **kwargs):
    run = runner(
        folder,
        iterations,
        HOOKS,
        segmentor=segmentor(file),
        model=dict(entropy_weights=dict(decode=0.1)),
        **kwargs,
    )
    run.train()
    return run


def test_resumed_run_equals_a_whole_one(file, tmp_path, monkeypatch, capfd):
    whole = run(file, tmp_path / 'whole', 4)
    run(file, tmp_path / 'parts', 2)
    second = run(file, tmp_path / 'parts', 4, resume=True)
    assert equal(weights(whole), weights(second))
    # and the segmentor can be taken out
    tool = load_tool('model_converters/extract_segmentor.py')
    words = [tmp_path / 'whole/iter_4.pth', tmp_path / 'plain.pth']
    code, printed = run_loaded(tool, words, monkeypatch, capfd)
    assert code == 0, printed
    plain = load_checkpoint_file(tmp_path / 'plain.pth')['state_dict']
    assert equal(plain, whole.model.segmentor.state_dict())


def build(file):
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(
        model_config('MinEnt', two_heads=False, segmentor=segmentor(file))
    )
    model.init_weights()
    return model.train()


def train(model, data, **wrapper):
    wrappers = build_optim_wrapper(model, optim_config('MinEnt', **wrapper))
    wrappers.initialize_count_status(model, 0, len(data))
    for part in data:
        model.train_step(part, wrappers)


def part_of(data, rank):
    return {
        key: {domain: [items[rank]] for domain, items in value.items()}
        for key, value in data.items()
    }


def batches():
    return [batch(2, seed) for seed in range(2)]


def train_rank(file, wrapper):
    model = build(file)
    lay_out(model, wrapper.get('precision', 'fp32'))
    wrapped = UDADistributedDataParallel(model)
    own = [part_of(data, get_rank()) for data in batches()]
    train(wrapped, own, **wrapper)
    return model.state_dict()


def test_two_processes_equal_one_with_twice_the_batch(file, tmp_path):
    slow = dict(optimizer=dict(type='SGD', lr=1e-3))
    state, other = run_processes(train_rank, tmp_path, file, slow)
    model = build(file)
    train(model, batches(), **slow)
    for name, value in model.state_dict().items():
        assert state[name].equal(other[name]), name
        torch.testing.assert_close(
            state[name], value, rtol=0, atol=1e-5, msg=name
        )


def test_half_precision_trains_and_is_near(file):
    states = []
    for wrapper in ({}, BF16):
        model = build(file)
        train(model, batches()[:1], **wrapper)
        states.append(model.segmentor.state_dict())
    before = build(file).segmentor.state_dict()
    name = 'backbone.layer4.2.linear_conv.conv.weight'
    steps = [state[name] - before[name] for state in states]
    cosine = torch.cosine_similarity(*(s.flatten() for s in steps), dim=0)
    assert float(cosine) > 0.95
    norms = ('running_mean', 'running_var')
    for key, value in before.items():
        if key.startswith('backbone') and key.endswith(norms):
            assert all(value.equal(state[key]) for state in states)
