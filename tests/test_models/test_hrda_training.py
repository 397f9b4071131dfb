"""HRDA under methods, recomputed, in 16 bits and in several processes."""

import copy

import gloo
import pytest
import torch
from hrda_models import (
    NETWORKS,
    build,
    hrda_config,
    images_of,
    labels_of,
)
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from test_distributed_training import part
from test_mixed_precision import BF16
from tiny_models import batch, optim_config, source_batch

from benchmarks.memory import peak_bytes
from mmuda.models import UDADistributedDataParallel
from mmuda.models.players import ddp_dummy_loss, unwrap
from mmuda.models.segmentors import Box
from mmuda.models.segmentors.recompute import blocks_of, recomputing
from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules

SIZES = dict(source_size=(64, 96), target_size=(64, 64))
METHODS = ('SourceOnly', 'MinEnt', 'AdvEnt')


def pass_of(network, seed=0):
    """Losses, gradients and buffers of one training pass."""
    network.zero_grad()
    torch.manual_seed(seed)
    prediction = network(images_of(), heads=('decode',), features=True)
    losses = network.losses(prediction, labels_of())
    features = prediction.features[-1].square().mean()
    sum(v for k, v in losses.items() if 'loss' in k).add(features).backward()
    values = {k: v.detach() for k, v in losses.items()}
    values |= {n: p.grad for n, p in network.named_parameters()}
    return values | {n: b.clone() for n, b in network.named_buffers()}


@pytest.mark.parametrize('precision', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('head', NETWORKS)
def test_recomputing_changes_no_bit(head, precision):
    networks = [build(head, recompute=recompute) for recompute in (0, 1)]
    with torch.autocast('cpu', precision, precision != torch.float32):
        kept, again = map(pass_of, networks)
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        assert value is not None, name
        assert torch.equal(value, again[name]), name


@pytest.mark.parametrize('recompute', [False, True])
def test_channels_last_give_the_same_gradients(recompute):
    network = build('FCNHead', recompute=recompute)
    expected = pass_of(network)
    network = build('FCNHead', recompute=recompute)
    lay_out(network, 'bf16')
    layout = torch.channels_last
    weights = network.backbone.stem[0].weight
    assert weights.is_contiguous(memory_format=layout)
    found = pass_of(network)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=1e-5, msg=name
        )


def test_dropout_is_drawn_in_these_passes():
    """Or nothing would have to be drawn again."""
    network = build()
    first, second = pass_of(network), pass_of(network, seed=1)
    name = 'backbone.layers.0.0.projection.weight'
    assert not torch.equal(first[name], second[name])


def data_of(method, seed=0):
    """A batch of two."""
    make = source_batch if method == 'SourceOnly' else batch
    return make(count=2, seed=seed, **SIZES)


def train(model, method, batches, **wrapper):
    wrappers = build_optim_wrapper(model, optim_config(method, **wrapper))
    wrappers.initialize_count_status(model, 0, len(batches))
    return [model.train_step(data, wrappers) for data in batches]


@pytest.mark.parametrize('head', NETWORKS)
@pytest.mark.parametrize('method', METHODS)
def test_methods_train_on_it(method, head):
    model = build(head, method)
    before = copy.deepcopy(model.state_dict())
    (logs,) = train(model, method, [data_of(method)])
    own = {
        'MinEnt': 'target.decode.loss_entropy',
        'AdvEnt': 'target.decode.loss_adversarial',
    }
    wanted = {'source.decode.loss_ce', 'source.decode.hr.loss_ce'}
    wanted |= {own[method]} if method in own else set()
    assert wanted <= set(logs)
    assert all(value.isfinite() for value in logs.values())
    for name, value in model.state_dict().items():
        if name.endswith('weight'):
            assert not torch.equal(value, before[name]), name


def test_losses_of_bfloat16_stay_near_those_of_single_precision():
    (plain,), (half,) = (
        train(build(method='MinEnt'), 'MinEnt', [data_of('MinEnt')], **wrapper)
        for wrapper in ({}, BF16)
    )
    for name, value in plain.items():
        if 'loss' in name:
            assert half[name].dtype == torch.float32
            torch.testing.assert_close(
                half[name], value, rtol=0.05, atol=0.01, msg=name
            )


def drawn_alike(model):
    """The same boxes in all processes; norms that see one image alone."""
    boxes = [Box(0, 32, 16, 64), Box(32, 64, 0, 48), Box(8, 40, 8, 56)]
    calls = iter(boxes * 10)
    model.segmentor.draw_box = lambda size: next(calls)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None
        if 'Drop' in type(module).__name__:
            module.forward = lambda x: x
    return model


CASES = {
    (method, recompute): dict(method=method, recompute=recompute)
    for method in METHODS
    for recompute in (False, True)
}


def train_ranks():
    """States of all cases, and boxes of this process."""
    register_all_modules()
    states = {}
    for name, options in CASES.items():
        model = drawn_alike(build(**options))
        model = UDADistributedDataParallel(model)
        data = [
            part(data_of(options['method'], seed), get_rank())
            for seed in (0, 1)
        ]
        train(model, options['method'], data)
        states[name] = model.module.state_dict()
    states['unused'] = without_gradient(build(method='MinEnt'))
    return states


def without_gradient(model):
    """Parameters of heads that a pass for features alone leaves out."""
    segmentor = UDADistributedDataParallel(model).module.segmentor
    ddp_dummy_loss(segmentor, {})['loss_unused'].backward()
    return [
        name
        for name, weights in unwrap(segmentor).named_parameters()
        if '_head.' in name and weights.grad is None
    ]


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(train_ranks, tmp_path_factory.mktemp('ranks'))


def test_heads_get_a_gradient_where_features_alone_are_asked_for(ranks):
    assert [rank['unused'] for rank in ranks] == [[], []]


@pytest.mark.parametrize('case', CASES, ids=str)
def test_two_processes_of_like_boxes_equal_one(ranks, case):
    model = drawn_alike(build(**CASES[case]))
    train(model, case[0], [data_of(case[0], seed) for seed in (0, 1)])
    for name, value in model.state_dict().items():
        # Adam makes a difference of rounding as large as a step.
        close = 1e-5 if name.startswith('discriminator.') else 1e-6
        for rank in ranks:
            torch.testing.assert_close(
                value, rank[case][name], rtol=0, atol=close, msg=name
            )


def peak_of_a_pass(recompute):
    """Bytes, without weights and their gradients, of images of 256x256."""
    widths = dict(in_channels=[16, 32, 80, 128], channels=32)
    head = hrda_config()['decode_head'] | widths
    backbone = dict(
        type='MixVisionTransformer',
        embed_dims=16,
        num_heads=(1, 2, 5, 8),
        num_layers=(2, 2, 2, 2),
    )
    network = build(
        backbone=backbone,
        decode_head=head,
        attention_head=head,
        detail_crop_size=(128, 128),
        recompute=recompute,
    )
    for weights in network.parameters():
        weights.grad = torch.zeros_like(weights)
    images, labels = images_of(1, (256, 256)), labels_of(1, (256, 256))

    def run():
        losses = network.losses(network(images, heads=('decode',)), labels)
        sum(v for k, v in losses.items() if 'loss' in k).backward()

    return peak_bytes(run)


def test_recomputing_takes_less_memory():
    assert peak_of_a_pass(True) <= 0.6 * peak_of_a_pass(False)


def test_blocks_are_found_and_left_as_they_were():
    network = build('DLV2Head', recompute=True)
    blocks = blocks_of(network.backbone)
    assert blocks[0] is network.backbone.stem
    assert len(blocks) == 1 + 8
    forward = [block.forward for block in blocks]
    with recomputing(blocks):
        assert all('forward' in vars(block) for block in blocks)
    assert [block.forward for block in blocks] == forward
    assert not any('forward' in vars(block) for block in blocks)
    transformer = build().backbone
    kinds = [type(block).__name__ for block in blocks_of(transformer)]
    assert kinds == 4 * ['PatchEmbed', 'TransformerEncoderLayer']


def test_the_published_multiple_is_off_the_grid_of_deeplabv2():
    network = build('DLV2Head', crop_multiple=8)
    # Of this box alone it would not show.
    network.draw_box = lambda size: Box(16, 48, 0, 48)
    with pytest.raises(ConfigError, match='set a multiple of 16'):
        network(images_of(), heads=('decode',))
