"""DAFormer's feature distance at both scales of HRDA."""

import pytest
import torch
import torch.nn.functional as F
from hrda_models import build, images_of, labels_of
from tiny_models import model_config

from mmuda.models.batch import DomainBatch
from mmuda.models.segmentors import Box, View
from mmuda.models.terms.feature_distance import cell_labels
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import SOURCE

THINGS = [0, 3]
# Features of 2x3 cells of 64 pixels, and of 4x6 of 32.
IMAGE = (128, 192)


def distance_of(feature_scale, things, detail=IMAGE):
    """A host, and source images with labels of large areas."""
    term = dict(
        type='FeatureDistance',
        weight=0.5,
        things=things,
        feature_scale=feature_scale,
    )
    model = build(method='SourceOnly', detail_crop_size=detail, terms=[term])
    generator = torch.Generator().manual_seed(2)
    for weight in model.imagenet.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    model = model.double().train()
    for module in model.segmentor.modules():
        if hasattr(module, 'drop_prob'):
            module.drop_prob = 0.0
    coarse = labels_of(size=(IMAGE[0] // 64, IMAGE[1] // 64))
    labels = coarse.repeat_interleave(64, 1).repeat_interleave(64, 2)
    source = DomainBatch(images_of(size=IMAGE).double(), labels, name=SOURCE)
    return model, source


def by_hand(model, images, labels, things):
    found = model.segmentor.backbone(images)[-1]
    fixed = model.imagenet(images)[-1]
    each = (found - fixed).square().sum(1).sqrt()
    if things == 'all':
        return each.mean()
    cells = cell_labels(labels, found.shape[2:])
    kept = torch.isin(cells, torch.tensor(things))
    assert 0 < kept.sum() < kept.numel()
    return each[kept].mean()


@pytest.mark.parametrize('things', ['all', THINGS])
def test_both_scales_add_up(things):
    model, source = distance_of('all', things)
    found = model.losses_on(source, {})['source.loss_feature_distance']
    half = F.interpolate(
        source.images, scale_factor=0.5, mode='bilinear', align_corners=False
    )
    context = by_hand(model, half, source.labels, things)
    detail = by_hand(model, source.images, source.labels, things)
    expected = 0.5 * (context + detail)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    found.backward()
    assert model.segmentor.backbone.layers[0][0].projection.weight.grad.any()


def test_a_scale_alone_is_that_of_the_context():
    model, source = distance_of('context', 'all')
    found = model.losses_on(source, {})['source.loss_feature_distance']
    half = F.interpolate(
        source.images, scale_factor=0.5, mode='bilinear', align_corners=False
    )
    expected = 0.5 * by_hand(model, half, source.labels, 'all')
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)


def test_features_of_the_detail_come_with_those_of_the_context():
    network = build(detail_crop_size=IMAGE)
    seen = network(View(images_of(size=IMAGE), ('decode',)), features=True)
    assert [f.shape[2:] for f in seen.details] == [
        (2 * f.shape[2], 2 * f.shape[3]) for f in seen.features
    ]
    assert network(View(images_of(size=IMAGE), ('decode',))).details == ()


@pytest.mark.parametrize('things', ['all', THINGS])
def test_a_detail_that_is_a_part_is_compared_where_it_is(things):
    model, source = distance_of('all', things, detail=(64, 96))
    box = Box(64, 128, 32, 128)
    model.network.draw_box = lambda size: box
    found = model.losses_on(source, {})['source.loss_feature_distance']
    half = F.interpolate(
        source.images, scale_factor=0.5, mode='bilinear', align_corners=False
    )
    context = by_hand(model, half, source.labels, things)
    images, labels = (
        source.images[..., 64:, 32:128],
        source.labels[:, 64:, 32:128],
    )
    detail = by_hand(model, images, labels, things)
    expected = 0.5 * (context + detail)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize(
    ('scale', 'message'),
    [
        ('all', "feature_scale='all': UDAEncoderDecoder has a single scale"),
        ('both', r"feature_scale must be one of \('context', 'all'\)"),
    ],
)
def test_scales_that_are_not_there_are_refused(scale, message):
    term = dict(type='FeatureDistance', feature_scale=scale)
    with pytest.raises(ConfigError, match=message):
        MODELS.build(model_config('SourceOnly', terms=[term]))
