"""No option of a network is taken and then ignored.

Each option of each own backbone, head and discriminator is given another
value. What the network is or does has to change by it, or it is refused.
"""

import copy

import pytest
import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from network_options import CASES, NUM_CLASSES, Beside
from torch.autograd.graph import saved_tensors_hooks

import mmuda.models  # noqa: F401
from mmuda.registry import MODELS
from mmuda.utils.config_keys import init_parameters
from mmuda.utils.errors import MMUDAError

SIDE = 64
# mmseg asserts that lists of its options have as many entries as stages.
REFUSALS = (MMUDAError, AssertionError)
REFUSED_BY_MMSEG = {('DeepLabResNet', 'num_stages'), ('MiT', 'num_stages')}


def networks():
    """Own backbones, heads and discriminators of the registry."""
    places = ('backbones', 'decode_heads', 'discriminators')
    return {
        name: kind
        for name, kind in MODELS.module_dict.items()
        if kind.__module__.startswith('mmuda.models.')
        and kind.__module__.split('.')[2] in places
    }


OPTIONS = [
    (name, option)
    for name, kind in networks().items()
    for option in sorted(init_parameters(kind))
]


def segmentor(head):
    """A head on four maps of 16 channels."""
    backbone = dict(
        type='MiT', embed_dims=16, num_layers=[1] * 4, num_heads=[1] * 4
    )
    return dict(type='UDAEncoderDecoder', backbone=backbone, decode_head=head)


def built(name, options):
    """The network in training, a head with a backbone; always the same."""
    torch.manual_seed(0)
    config = copy.deepcopy(dict(type=name) | options)
    head = issubclass(networks()[name], BaseDecodeHead)
    if head:
        config = segmentor(dict(num_classes=NUM_CLASSES) | config)
    network = MODELS.build(config)
    network.init_weights()
    network.train()
    return network


def flat(value):
    """All tensors within a value."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    return [tensor for part in value for tensor in flat(part)]


def outputs(network):
    """What it answers, and its losses if it has a head."""
    images = torch.randn(2, 3, SIDE, SIDE)
    if hasattr(network, 'decode_head'):
        labels = torch.randint(0, 2, (2, SIDE, SIDE))
        prediction = network(images, heads=['decode'])
        return flat([prediction.logits, network.losses(prediction, labels)])
    if 'Discriminator' in type(network).__name__:
        images = torch.randn(2, NUM_CLASSES, SIDE, SIDE)
    if type(network).__name__.startswith('MultiLevel'):
        images = dict.fromkeys(network.levels, images)
    return flat(network(images))


def classes(network):
    """Predictions of an image, if it has a head."""
    if not hasattr(network, 'decode_head'):
        return []
    size = (SIDE + 3, SIDE - 3)
    meta = dict(img_shape=(SIDE, SIDE), ori_shape=size, pad_shape=size)
    samples = network.predict(
        torch.randn(1, 3, SIDE, SIDE), [SegDataSample(metainfo=meta)]
    )
    return [samples[0].pred_sem_seg.data]


def behaviour(network):
    """All that a training could notice: tensors, and numbers of tensors."""
    yield [*network.state_dict().values()]
    yield [torch.tensor([p.requires_grad for p in network.parameters()])]
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(0) or t, lambda t: t):
        torch.manual_seed(1)
        yield outputs(network)
    yield [torch.tensor(len(kept))]
    # Running statistics.
    yield [*network.buffers()]
    torch.manual_seed(2)
    yield classes(network.eval())


def same(ones, others):
    """Whether tensors are the same, in number and values."""
    return len(ones) == len(others) and all(
        one.shape == other.shape and torch.equal(one, other)
        for one, other in zip(ones, others, strict=True)
    )


def test_every_option_of_every_network_has_another_value_here():
    listed = {
        (name, option)
        for name, (_, others) in CASES.items()
        for option in others
    }
    assert listed == set(OPTIONS)


@pytest.mark.parametrize('name', CASES)
def test_networks_are_the_same_twice(name):
    options = CASES[name][0]
    ones, others = (behaviour(built(name, options)) for _ in range(2))
    assert all(same(*pair) for pair in zip(ones, others, strict=True))


def built_or_refused(name, options):
    """The network, or why it is none."""
    try:
        return built(name, options)
    except REFUSALS as refusal:
        return refusal


@pytest.mark.parametrize(('name', 'option'), OPTIONS)
def test_option_changes_the_network_or_is_refused(name, option):
    options, others = CASES[name]
    change = others[option]
    if isinstance(change, Beside):
        options = options | change.options
        change = change.value
    plain = built_or_refused(name, options)
    changed = built_or_refused(name, options | {option: change})
    if isinstance(changed, MMUDAError):
        # A file is named by itself.
        assert option in str(changed) or str(change) in str(changed)
    elif isinstance(changed, AssertionError):
        assert (name, option) in REFUSED_BY_MMSEG
    elif isinstance(plain, Exception):
        # Only with it is there a network, which has to work.
        assert [*behaviour(changed)]
    else:
        pairs = zip(behaviour(plain), behaviour(changed), strict=True)
        assert not all(same(*pair) for pair in pairs)
