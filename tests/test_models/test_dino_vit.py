"""DINO's vision transformers."""

import pytest
import torch
from dino_reference import features
from torch.testing import assert_close

from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError

TINY = dict(embed_dims=24, num_layers=3, num_heads=2)
KINDS = {
    'v2': dict(version=2),
    'v2_registers': dict(version=2, num_registers=4),
    'v3': dict(version=3),
}


def config(kind='v2', **kwargs):
    """A transformer of 3 blocks; the grid of its positions is 6 x 6."""
    size = dict(pretrain_size=84) if kind != 'v3' else {}
    return (
        dict(type='DINOVisionTransformer', arch=TINY, **size, **KINDS[kind])
        | kwargs
    )


def build(kind='v2', dtype=torch.float64, **kwargs):
    """The same with random values in all its tensors."""
    torch.set_default_dtype(dtype)
    try:
        network = MODELS.build(config(kind, **kwargs))
    finally:
        torch.set_default_dtype(torch.float32)
    generator = torch.Generator().manual_seed(0)
    for name, value in network.named_parameters():
        noise = torch.randn(value.shape, generator=generator, dtype=dtype)
        value.data = 0.2 * noise + ('norm' in name or 'ls' in name)
    return network.eval()


def draw(height, width, count=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    size = (count, 3, height, width)
    return torch.randn(size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('grid', [(6, 6), (3, 7), (9, 4), (2, 17)])
def test_formulas(kind, grid):
    network = build(kind, out_indices=(0, 2))
    images = draw(*(side * network.patch_size for side in grid))
    expected = features(
        network.state_dict(), images, TINY['num_heads'], network.version
    )
    levels = network(images)
    for level, number in zip(levels, (0, 2), strict=True):
        wanted = expected[number][1].transpose(1, 2).unflatten(2, grid)
        assert_close(level, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize('kind', KINDS)
def test_masked_tokens(kind):
    network = build(kind)
    images = draw(*[4 * network.patch_size] * 2)
    uniform = torch.rand(2, 16, generator=torch.manual_seed(3))
    network.draw_uniform = lambda shape: uniform
    mask = uniform < 0.7
    (level,) = network(images, mask_ratio=0.7)
    expected = features(
        network.state_dict(), images, 2, network.version, mask=mask
    )
    wanted = expected[-1][1].transpose(1, 2).unflatten(2, (4, 4))
    assert_close(level, wanted, rtol=1e-9, atol=1e-11)
    assert not torch.allclose(level, network(images)[0])


def test_drawn_masks():
    network = build()
    patches = torch.ones(50, 400, 24, dtype=torch.float64)
    shares = []
    for ratio in (0, 0.7, 0.7, 1):
        torch.manual_seed(0)
        hidden = network.masked(patches, ratio) != 1
        assert hidden.all(dim=2).equal(hidden.any(dim=2))
        shares.append(hidden.double().mean().item())
    assert shares == [0, pytest.approx(0.7, abs=0.01), shares[1], 1]


def test_mask_token_is_trained_on_demand():
    """A frozen one must not be decayed; a trained one always has gradient."""
    network = build().train()
    assert not network.mask_token.requires_grad
    network.learn_mask_token()
    images = draw(28, 28)
    (level,) = network(images)
    assert level.equal(build().train()(images)[0])
    level.sum().backward()
    assert network.mask_token.grad.abs().sum() == 0
    network(images, mask_ratio=1.0)[0].sum().backward()
    assert network.mask_token.grad.abs().sum() > 0
    assert all(p.grad is not None for p in network.parameters())


def test_coordinates_of_rotation_are_rescaled_in_training():
    network = build('v3')
    images = draw(48, 32)
    network.train()
    network.rope_embed.draw_rescale = lambda most: most / 1.6
    (level,) = network(images)
    expected = features(network.state_dict(), images, 2, 3, rescale=2 / 1.6)
    wanted = expected[-1][1].transpose(1, 2).unflatten(2, (3, 2))
    assert_close(level, wanted, rtol=1e-9, atol=1e-11)


def test_drawn_rescaling():
    rope = build('v3').rope_embed
    torch.manual_seed(0)
    drawn = torch.tensor([rope.draw_rescale(2) for _ in range(1000)])
    assert 0.5 <= drawn.min() < 0.51
    assert 1.97 < drawn.max() <= 2
    assert abs(drawn.log().mean()) < 0.03


@pytest.mark.parametrize('kind', KINDS)
def test_recomputed_blocks_have_the_same_gradients(kind):
    gradients = []
    for recompute in (False, True):
        network = build(kind, recompute=recompute, drop_path_rate=0.3).train()
        network.learn_mask_token()
        torch.manual_seed(5)
        images = draw(*[3 * network.patch_size] * 2)
        network(images, mask_ratio=0.5)[0].square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    for plain, again in zip(*gradients, strict=True):
        assert plain.equal(again)


@pytest.mark.parametrize(
    ('scale', 'size', 'grid'),
    [
        (1, (28, 43), (2, 3)),
        (1.1, (64, 512), (5, 40)),
        (14 / 16, (64, 128), (4, 8)),
    ],
)
def test_images_are_fitted_to_patches(scale, size, grid):
    network = build(input_scale=scale)
    images = draw(*size)
    fitted = torch.nn.functional.interpolate(
        images, [14 * side for side in grid], mode='bilinear'
    )
    (level,) = network(images)
    assert level.shape[2:] == grid
    assert_close(level, build()(fitted)[0], rtol=1e-12, atol=1e-12)


def test_file_with_the_released_names(tmp_path):
    """As the hub's files have them; a classifier is left out."""
    for kind in KINDS:
        stored = build(kind, torch.float32).state_dict()
        assert {n.split('.')[0] for n in stored} <= {
            *('cls_token', 'pos_embed', 'mask_token', 'patch_embed'),
            *('register_tokens', 'storage_tokens', 'rope_embed'),
            *('blocks', 'norm'),
        }
        parts = {
            name.removeprefix('blocks.1.')
            for name in stored
            if name.startswith('blocks.1.')
        }
        layers = ('norm1', 'attn.qkv', 'attn.proj', 'norm2')
        layers += ('mlp.fc1', 'mlp.fc2')
        expected = {f'{n}.{k}' for n in layers for k in ('weight', 'bias')}
        expected |= {'ls1.gamma', 'ls2.gamma'}
        if kind == 'v3':
            expected |= {'attn.qkv.bias_mask'}
        assert parts == expected
        path = str(tmp_path / f'{kind}.pth')
        torch.save(stored | {'head.weight': torch.zeros(3)}, path)
        init = dict(type='Pretrained', checkpoint=path)
        network = MODELS.build(config(kind, init_cfg=init))
        network.init_weights()
        own = network.state_dict()
        assert list(own) == list(stored)
        assert all(own[name].equal(stored[name]) for name in stored)


def test_gated_perceptrons_are_refused(tmp_path):
    stored = build('v3', torch.float32).state_dict()
    for name in [n for n in stored if '.mlp.' in n]:
        stored[name.replace('fc1', 'w1').replace('fc2', 'w3')] = stored.pop(
            name
        )
    path = str(tmp_path / 'dinov3_vith16plus.pth')
    torch.save(stored, path)
    init = dict(type='Pretrained', checkpoint=path)
    network = MODELS.build(config('v3', init_cfg=init))
    with pytest.raises(CheckpointError, match='does not fit') as error:
        network.init_weights()
    assert '\n' not in str(error.value)


def test_new_weights():
    torch.manual_seed(0)
    network = MODELS.build(config(num_registers=2))
    network.init_weights()
    assert abs(network.pos_embed.std() - 0.02) < 0.002
    weights = network.blocks[1].mlp.fc1.weight
    assert abs(weights.std() - 0.02) < 0.002
    assert network.blocks[1].ls1.gamma.eq(1).all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(arch='giant'), "backbone.arch='giant' is none of"),
        (dict(arch=dict(embed_dims=8)), 'nor a dict of embed_dims'),
        (dict(version=1), 'backbone.version=1: must be one of 2, 3'),
        (dict(out_indices=(0, 1)), 'end with the last one, 2'),
        (dict(out_indices=(2, 0)), 'ascending numbers'),
        (dict(out_indices=(0, 3)), 'of the 3 blocks'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config(**options))


def test_images_smaller_than_a_patch():
    with pytest.raises(ConfigError, match='20x13 pixels at input_scale=1 are'):
        build()(draw(13, 20))


@pytest.mark.parametrize('ratio', [-0.1, 1.5, float('nan')])
def test_wrong_ratio(ratio):
    with pytest.raises(ConfigError, match='no share from 0 to 1'):
        build()(draw(28, 28), mask_ratio=ratio)
