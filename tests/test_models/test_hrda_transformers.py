"""HRDA around a transformer of DINO."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_models import batch, optim_config
from tiny_transformers import rein_config, transformer_model, vit_config

from mmuda.models import View

# Patches of 14 pixels at 14 / 16 of the size: features of stride 16.
SIZE = (64, 128)
BACKBONES = dict(
    v2=vit_config(input_scale=14 / 16),
    v3=vit_config(version=3),
    rein=rein_config(input_scale=14 / 16),
)


def hrda(backbone, **kwargs):
    head = dict(
        type='VFMHead',
        in_channels=24,
        num_classes=5,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    )
    return dict(
        type='HRDAEncoderDecoder',
        backbone=BACKBONES[backbone],
        decode_head=head,
        attention_head=head,
        detail_crop_size=(32, 64),
        crop_multiple=32,
        **kwargs,
    )


def build(backbone, **kwargs):
    return transformer_model(
        kwargs.pop('method', 'SourceOnly'),
        segmentor=hrda(backbone, **kwargs.pop('hrda', {})),
        **kwargs,
    )


def images(count=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, *SIZE, generator=generator)


@pytest.mark.parametrize('backbone', BACKBONES)
def test_logits_have_stride_4(backbone):
    network = build(backbone).segmentor
    prediction = network(images(), heads=('decode',))
    shapes = {n: tuple(v.shape) for n, v in prediction.logits.items()}
    assert shapes == {
        'decode': (2, 5, 16, 32),
        'decode.hr': (2, 5, 8, 16),
    }
    assert network.eval().predict_logits(images()).shape == (2, 5, 16, 32)


@pytest.mark.parametrize('recompute', [False, True])
@pytest.mark.parametrize('backbone', BACKBONES)
def test_tokens_of_both_scales_are_masked(backbone, recompute):
    """Each scale has a mask of its own, in this order."""
    network = build(backbone, hrda=dict(recompute=recompute)).segmentor
    network.draw_box = lambda size: box
    vit = getattr(network.backbone, 'vit', network.backbone)
    torch.manual_seed(0)
    box = type(network).draw_box(network, SIZE)
    plain = network(images(), heads=('decode',))
    asked = []
    draw = vit.draw_uniform

    def remembered(shape):
        asked.append(tuple(shape))
        return draw(shape)

    vit.draw_uniform = remembered
    view = View(images(), ('decode',), mask_ratio=0.7)
    masked = network(view)
    assert asked == [(2, 8), (2, 8)]
    for name, logits in masked.logits.items():
        assert not torch.allclose(logits, plain.logits[name]), name


def gradients(recompute):
    model = build('v2', hrda=dict(recompute=recompute))
    model.segmentor.backbone.learn_mask_token()
    torch.manual_seed(4)
    prediction = model.segmentor(View(images(), ('decode',), mask_ratio=0.5))
    labels = torch.zeros(2, *SIZE, dtype=torch.long)
    losses = model.segmentor.losses(prediction, labels)
    sum(v for n, v in losses.items() if 'loss' in n).backward()
    return {n: p.grad for n, p in model.named_parameters()}


def test_recomputed_masks_are_the_same():
    plain, again = gradients(False), gradients(True)
    for name, value in plain.items():
        assert value is not None, name
        assert value.equal(again[name]), name


@pytest.mark.parametrize('backbone', BACKBONES)
def test_a_step_of_self_training_with_masked_tokens(backbone):
    model = build(
        backbone,
        method='DACS',
        threshold=None,
        terms=[dict(type='MaskedConsistency', block_size='token')],
    )
    before = {n: p.clone() for n, p in model.segmentor.named_parameters()}
    wrappers = build_optim_wrapper(model, optim_config('MinEnt'))
    data = batch(2, source_size=SIZE, target_size=SIZE)
    logs = model.train_step(data, wrappers)
    assert all(value.isfinite() for value in logs.values())
    assert 'target.masked.decode.hr.loss_ce' in logs
    for name, value in model.segmentor.named_parameters():
        frozen = name.startswith('backbone.vit.')
        assert value.equal(before[name]) == frozen, name
