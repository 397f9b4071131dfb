"""Numbers of the published Rein and VFM-UDA; see data/goldens/modern."""

import pytest
import torch
from golden_inputs import load_modern
from torch.testing import assert_close

from mmuda.models.backbones.dino_vit import fitted_size
from mmuda.models.backbones.rein import ReinTokens
from mmuda.registry import MODELS

KINDS = dict(rein=0, lora=3)


@pytest.fixture(scope='module')
def goldens():
    return load_modern('rein_vfm')


def weights(goldens, prefix):
    return {
        name.removeprefix(prefix): value
        for name, value in goldens.items()
        if name.startswith(prefix)
    }


def rein(goldens, kind):
    stored = weights(goldens, f'{kind}.w.')
    tokens = [v for n, v in stored.items() if n.startswith('learnable')]
    module = ReinTokens(
        channels=stored['mlp_delta_f.bias'].numel(),
        num_layers=len(tokens[0]),
        num_tokens=tokens[0].shape[1],
        rank=KINDS[kind] and tokens[0].shape[2],
        query_channels=stored['merge.bias'].numel(),
    ).double()
    module.load_state_dict(stored)
    return module


def assert_golden(actual, expected):
    scale = float(expected.abs().max())
    assert_close(actual, expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('layer', [0, 3])
def test_refined_features(goldens, kind, layer):
    """The first token, of the class, passes as it is."""
    first, patches = goldens['x'].tensor_split([1], dim=1)
    refined = rein(goldens, kind)(layer, patches)
    expected = goldens[f'{kind}.out_layer{layer}']
    assert_golden(torch.cat([first, refined], dim=1), expected)


@pytest.mark.parametrize('kind', KINDS)
def test_queries(goldens, kind):
    assert_golden(rein(goldens, kind).queries(), goldens[f'{kind}.queries'])


@pytest.mark.parametrize('kind', KINDS)
def test_initial_scale(goldens, kind):
    module = ReinTokens(channels=4, num_layers=1)
    assert_close(module.scale.double(), goldens[f'{kind}.default_scale_init'])


def head(goldens):
    stored = weights(goldens, 'vfm.w.')
    stored['conv_seg.weight'] = stored.pop('out.weight')
    module = MODELS.build(
        dict(
            type='VFMHead',
            in_channels=goldens['vfm.feat'].shape[1],
            num_classes=len(stored['conv_seg.weight']),
        )
    ).double()
    module.load_state_dict(stored)
    return module


def test_head(goldens):
    logits = head(goldens)((goldens['vfm.feat'],))
    assert_golden(logits, goldens['vfm.logits'])


def test_logits_at_the_size_of_the_image(goldens):
    module = head(goldens)
    logits = module((goldens['vfm.feat'],))
    metas = [dict(img_shape=(64, 64))]
    full = module.predict_by_feat(logits, metas)
    assert_golden(full, goldens['vfm.logits_64'])


def test_masked_tokens(goldens):
    tokens, uniform = goldens['vfm.tokens'], goldens['vfm.uniform']
    network = MODELS.build(
        dict(
            type='DINOVisionTransformer',
            arch=dict(embed_dims=tokens.shape[2], num_layers=1, num_heads=2),
        )
    ).double()
    network.mask_token.data = goldens['vfm.mask_token']
    network.draw_uniform = lambda shape: uniform
    masked = network.masked(tokens, 0.7)
    assert masked.equal(goldens['vfm.masked_tokens_0.7'])


def test_input_size(goldens):
    sizes = goldens['vfm.input_size_for_64_512_1024'].tolist()
    assert [fitted_size((s, s), 1.1, 14) for s in (64, 512, 1024)] == [
        (size, size) for size in sizes
    ]
