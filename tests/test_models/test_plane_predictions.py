"""Large images, a few classes at a time: the classes of all at once."""

import copy

import pytest
import torch
from mmseg.structures import SegDataSample
from tiny_models import NUM_CLASSES, model_config, segmentor_config

from mmuda.models.losses.alignment import entropy_map
from mmuda.models.segmentors.plane_predictions import (
    choose_outputs,
    predict_by_planes,
)
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
            if hasattr(module, 'max_values'):
                module.max_values = 1
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


def test_small_images_keep_their_logits():
    model = build()
    choose_outputs(model, [])
    with torch.no_grad():
        sample = model.predict(images_of(), samples_of())[0]
    assert sample.seg_logits.data.shape == (NUM_CLASSES, *ORIGINAL)


def test_logits_are_there_where_they_are_asked_for():
    model = build()
    model.segmentor.max_values = 1
    with torch.no_grad():
        sample = model.predict(images_of(), samples_of())[0]
    assert sample.seg_logits.data.shape == (NUM_CLASSES, *ORIGINAL)


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


# Ties and broken values


def by_planes(logits, limit):
    sample = SegDataSample(metainfo=dict(ori_shape=logits.shape[1:]))
    predict_by_planes(
        sample,
        lambda first, last: logits[first:last],
        len(logits),
        False,
        limit,
    )
    return sample.pred_sem_seg.data[0]


@pytest.mark.parametrize('limit', [1, 4 * 2 * 30, 4 * 3 * 30, 10**6])
def test_first_of_equal_ones(limit):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 3, (7, 5, 6), generator=generator).float()
    assert torch.equal(by_planes(logits, limit), logits.argmax(dim=0))


@pytest.mark.parametrize('limit', [1, 4 * 2 * 30, 10**6])
def test_values_that_are_no_numbers(limit):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 5, 6, generator=generator)
    logits[torch.rand(7, 5, 6, generator=generator) < 0.2] = float('nan')
    logits[torch.rand(7, 5, 6, generator=generator) < 0.1] = float('inf')
    assert torch.equal(by_planes(logits, limit), logits.argmax(dim=0))
