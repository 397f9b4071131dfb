"""Classes and entropies found strip by strip: those of the whole image."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from tiny_models import model_config, segmentor_config

from mmuda.models.losses.alignment import entropy_map
from mmuda.models.segmentors.strip_predictions import (
    add_classes,
    choose_outputs,
)
from mmuda.models.segmentors.strips import upsampled
from mmuda.registry import MODELS

INPUT = (33, 41)
ORIGINAL = (77, 101)


def build(align_corners=False, test_cfg=None, seed=0, **changes):
    segmentor = segmentor_config()
    segmentor['test_cfg'] = test_cfg or dict(mode='whole')
    for name in ('decode_head', 'auxiliary_head'):
        segmentor[name]['align_corners'] = align_corners
    segmentor |= changes
    torch.manual_seed(seed)
    model = MODELS.build(model_config('MinEnt', segmentor=segmentor)).eval()
    # A new network sees one class everywhere.
    for head in model.segmentor.heads().values():
        torch.nn.init.normal_(head.conv_seg.weight, std=30)
    return model


def samples_of(count=1, **meta):
    meta = dict(
        dict(ori_shape=ORIGINAL, img_shape=INPUT, pad_shape=INPUT), **meta
    )
    return [SegDataSample(metainfo=meta) for _ in range(count)]


def images_of(count=1, size=INPUT, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, *size, generator=generator)


def both_ways(model, samples, images, outputs=()):
    """Samples with all logits, and with classes alone."""
    with torch.no_grad():
        whole = model.predict(images, copy.deepcopy(samples))
        choose_outputs(model, outputs)
        for module in model.modules():
            if hasattr(module, 'strip_values'):
                module.strip_values = 1
        lean = model.predict(images, copy.deepcopy(samples))
    assert 'seg_logits' not in lean[0]
    return whole, lean


def require_equal(whole, lean):
    for first, second in zip(whole, lean, strict=True):
        expected = first.pred_sem_seg.data
        assert len(expected.unique()) > 2
        assert second.pred_sem_seg.data.dtype == expected.dtype
        assert torch.equal(second.pred_sem_seg.data, expected)


SLIDE = dict(mode='slide', crop_size=(24, 24), stride=(16, 16))


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(
    'test_cfg',
    [
        dict(mode='whole'),
        dict(mode='whole', upsample_once=True),
        SLIDE,
    ],
)
@pytest.mark.parametrize(
    'meta',
    [
        {},
        dict(flip=True, flip_direction='horizontal'),
        dict(flip=True, flip_direction='vertical'),
        dict(padding_size=[2, 3, 0, 5]),
        dict(img_padding_size=[0, 4, 1, 0], padding_size=[0, 9, 9, 0]),
        dict(ori_shape=(20, 17)),
        dict(ori_shape=INPUT),
    ],
)
def test_classes_are_those_of_all_logits(align_corners, test_cfg, meta):
    model = build(align_corners, test_cfg)
    whole, lean = both_ways(model, samples_of(2, **meta), images_of(2))
    require_equal(whole, lean)


def test_entropy_is_that_of_all_logits():
    model = build()
    whole, lean = both_ways(model, samples_of(), images_of(), ['entropy'])
    expected = entropy_map(whole[0].seg_logits.data[None])
    torch.testing.assert_close(
        lean[0].entropy.data, expected, rtol=0, atol=2e-6
    )


def test_own_heads_of_targets():
    model = build(
        type='MultiHeadEncoderDecoder',
        targets=['rome', 'oslo'],
        predict_head='oslo.decode',
    )
    require_equal(*both_ways(model, samples_of(), images_of()))


def test_teacher():
    segmentor = segmentor_config()
    config = model_config('MinEnt', segmentor=segmentor)
    model = MODELS.build(
        dict(config, teacher=True, predict_on='teacher')
    ).eval()
    torch.nn.init.normal_(model.teacher.decode_head.conv_seg.weight, std=30)
    require_equal(*both_ways(model, samples_of(), images_of()))


@pytest.mark.parametrize('weights', [None, [0.3, 0.7]])
def test_ensemble(tmp_path, weights):
    paths = []
    for seed in range(2):
        path = tmp_path / f'{seed}.pth'
        torch.save(dict(state_dict=build(seed=seed).state_dict()), path)
        paths.append(str(path))
    config = model_config('MinEnt', segmentor=segmentor_config())
    ensemble = MODELS.build(
        dict(
            type='SegmentorEnsemble',
            models=[copy.deepcopy(config) for _ in paths],
            checkpoints=paths,
            weights=weights,
        )
    ).eval()
    whole, lean = both_ways(ensemble, samples_of(2), images_of(2))
    require_equal(whole, lean)


# Upsampled maps

SIZES = [
    ((13, 21), (190, 230)),
    ((13, 21), (13, 200)),
    ((13, 21), (190, 21)),
    ((300, 160), (190, 140)),
]


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('given', 'size'), SIZES)
@pytest.mark.parametrize('count', [1, 2])
@pytest.mark.parametrize('columns', [64, 37])
def test_strips_are_columns_of_the_whole(
    align_corners, given, size, count, columns
):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(count, 7, *given, generator=generator)
    strips = upsampled(maps, size, align_corners)
    whole = F.interpolate(
        maps, size, mode='bilinear', align_corners=align_corners
    )
    parts = [part for _, part in strips.parts(count * 7 * size[0] * columns)]
    assert len(parts) == -(-size[1] // columns)
    assert torch.equal(torch.cat(parts, dim=3), whole)
    assert torch.equal(strips.whole(), whole)


def test_strips_of_interleaved_channels():
    maps = torch.randn(1, 7, 13, 21)
    plain = upsampled(maps, (190, 230), False).whole()
    maps = maps.contiguous(memory_format=torch.channels_last)
    strips = upsampled(maps, (190, 230), False).parts(7 * 190 * 64)
    assert torch.equal(torch.cat([part for _, part in strips], dim=3), plain)


def test_cut_off_strips():
    maps = torch.randn(1, 7, 13, 21)
    strips = upsampled(maps, (190, 230), True)
    cut = strips.cropped(3, 5, 7, 11)
    parts = [part for _, part in cut.parts(7 * 172 * 64)]
    assert torch.equal(
        torch.cat(parts, dim=3), strips.whole()[..., 7:-11, 3:-5]
    )


# Ties and broken values


def by_strips(logits, limit):
    sample = SegDataSample()
    size = tuple(logits.shape[1:])
    add_classes(sample, upsampled(logits[None], size, True), None, limit)
    return sample.pred_sem_seg.data[0]


LIMITS = [1, 2 * 7 * 5, 3 * 7 * 5, 10**6]


@pytest.mark.parametrize('limit', LIMITS)
def test_first_of_equal_ones(limit):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 3, (7, 5, 6), generator=generator).float()
    assert torch.equal(by_strips(logits, limit), logits.argmax(dim=0))


@pytest.mark.parametrize('limit', LIMITS)
def test_values_that_are_no_numbers(limit):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 5, 6, generator=generator)
    logits[torch.rand(7, 5, 6, generator=generator) < 0.2] = float('nan')
    logits[torch.rand(7, 5, 6, generator=generator) < 0.1] = float('inf')
    assert torch.equal(by_strips(logits, limit), logits.argmax(dim=0))


@pytest.mark.parametrize('flip', [None, 'horizontal', 'vertical'])
@pytest.mark.parametrize('upsample_once', [False, True])
def test_small_maps_are_those_of_the_network(flip, upsample_once):
    """Also where an image has been resized, and is predicted at its size."""
    model = build(test_cfg=dict(mode='whole', upsample_once=upsample_once))
    meta = dict(flip=flip is not None, flip_direction=flip)
    images = images_of()
    choose_outputs(model, ['strips'])
    with torch.no_grad():
        (sample,) = model.predict(images, samples_of(**meta))
        logits = model.segmentor.predict_logits(images)
    if flip:
        logits = logits.flip(3 if flip == 'horizontal' else 2)
    assert sample.strips.shape[2:] == ORIGINAL
    assert torch.equal(sample.strips.coarse(), logits)
