"""Patch tokens of a segmentor that are masked."""

from functools import partial

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.optim import build_optim_wrapper
from tiny_models import batch, model_config, optim_config, segmentor_config
from tiny_transformers import (
    rein_config,
    transformer_model,
    transformer_segmentor,
    vit_config,
)

from mmuda.models import View
from mmuda.models.backbones import DINOVisionTransformer
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

IMAGES = torch.randn(2, 3, 42, 28, generator=torch.Generator().manual_seed(1))
BACKBONES = dict(vit=vit_config(), rein=rein_config())


def build(backbone, **kwargs):
    torch.manual_seed(0)
    segmentor = MODELS.build(transformer_segmentor(backbone) | kwargs)
    segmentor.init_weights()
    return segmentor.train()


def logits(segmentor, ratio, seed=0):
    torch.manual_seed(seed)
    view = View(IMAGES, ('decode',), mask_ratio=ratio)
    return segmentor(view).logits['decode']


@pytest.mark.parametrize('backbone', BACKBONES)
def test_views_mask_tokens(backbone):
    segmentor = build(BACKBONES[backbone])
    torch.manual_seed(3)
    features = segmentor.backbone(IMAGES, mask_ratio=0.7)
    expected = segmentor.decode_head(features)
    masked = logits(segmentor, 0.7, seed=3)
    assert masked.equal(expected)
    assert masked.shape == (2, 5, 12, 8)
    plain = segmentor(IMAGES, heads=('decode',)).logits['decode']
    assert logits(segmentor, 0).equal(plain)
    assert not torch.allclose(masked, plain)


def test_masks_with_a_neck():
    neck = dict(
        type='MultiLevelNeck',
        in_channels=[24],
        out_channels=8,
        scales=[1],
    )
    segmentor = build(vit_config())
    piped = build(vit_config(), neck=neck)
    torch.manual_seed(3)
    expected = piped.neck(piped.backbone(IMAGES, mask_ratio=0.5))
    torch.manual_seed(3)
    (found,) = piped.extract_feat(IMAGES, 0.5)
    assert found.equal(expected[0])
    assert segmentor.extract_feat(IMAGES)[0].shape == (2, 24, 3, 2)


def test_masks_of_convolutions_are_refused():
    segmentor = MODELS.build(segmentor_config())
    with pytest.raises(ConfigError, match='DeepLabResNet has no patch tok'):
        logits(segmentor, 0.5)


def test_levels_become_a_pyramid():
    """A neck and a head of mmseg take what several blocks give."""
    norm = dict(type='BN', requires_grad=True)
    arch = dict(embed_dims=24, num_layers=4, num_heads=2)
    segmentor = transformer_segmentor(
        vit_config(arch=arch, out_indices=(0, 1, 2, 3))
    )
    segmentor['neck'] = dict(
        type='Feature2Pyramid',
        embed_dim=24,
        rescales=[4, 2, 1, 0.5],
        norm_cfg=norm,
    )
    segmentor['decode_head'] = dict(
        type='UPerHead',
        in_channels=[24] * 4,
        in_index=[0, 1, 2, 3],
        channels=8,
        num_classes=5,
        norm_cfg=norm,
        align_corners=False,
    )
    network = MODELS.build(segmentor)
    network.init_weights()
    images = IMAGES.repeat(1, 1, 2, 2)[:, :, :56, :56]
    sizes = [tuple(f.shape[2:]) for f in network.extract_feat(images)]
    assert sizes == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert network.predict_logits(images).shape == (2, 5, 16, 16)


def test_masked_consistency_of_tokens():
    """The student alone is masked, and learns its mask token."""
    terms = [dict(type='MaskedConsistency', block_size='token')]
    model = transformer_model('DACS', terms=terms, threshold=None)
    assert model.segmentor.backbone.mask_token.requires_grad
    assert not model.teacher.backbone.mask_token.requires_grad
    masked = []
    embed = DINOVisionTransformer.masked

    def remembered(network, patches, ratio):
        masked.append((network is model.segmentor.backbone, ratio))
        return embed(network, patches, ratio)

    for network in (model.segmentor, model.teacher):
        network.backbone.masked = partial(remembered, network.backbone)
    data = batch(2, source_size=(42, 42), target_size=(42, 42))
    wrappers = build_optim_wrapper(model, optim_config('MinEnt'))
    logs = model.train_step(data, wrappers)
    assert masked == [(True, 0.7)]
    assert logs['target.masked.decode.loss_ce'] > 0


def test_tokens_of_convolutions_are_refused_at_once():
    terms = [dict(type='MaskedConsistency', block_size='token')]
    config = model_config('DACS', two_heads=False, terms=terms)
    with pytest.raises(ConfigError, match='DeepLabResNet has no patch tok'):
        MODELS.build(config)


def test_a_single_patch_is_not_masked():
    segmentor = build(vit_config())
    image = IMAGES[:, :, :14, :14]
    segmentor(image, heads=('decode',))
    with pytest.raises(ConfigError, match='single patch would be masked as a'):
        segmentor(View(image, ('decode',), mask_ratio=0.5))


@MODELS.register_module()
class ConvolvedTokens(BaseModule):
    """Has a mask token, and a layer that small images are too small for."""

    masks_tokens = True

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 24, 16, stride=8)

    def forward(self, inputs, mask_ratio=0):
        return (self.conv(inputs),)


@pytest.mark.parametrize('ratio', [0, 0.5])
def test_images_too_small_for_tokens_are_refused_in_one_line(ratio):
    segmentor = build(dict(type='ConvolvedTokens'))
    view = View(IMAGES[:, :, :12], ('decode',), mask_ratio=ratio)
    message = 'images of 28x12 pixels, .* too small for ConvolvedTokens'
    with pytest.raises(ConfigError, match=message):
        segmentor(view)
