import math

import pytest
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from tiny_models import NUM_CLASSES, logits_of, model_config, segmentor_config

from mmuda.models.segmentors import Prediction
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def build(**changes):
    torch.manual_seed(0)
    segmentor = MODELS.build(segmentor_config() | changes)
    segmentor.init_weights()
    return segmentor


def test_forward_gives_logits_of_every_head():
    logits = logits_of(build(), torch.randn(2, 3, 33, 49))
    assert {name: tuple(v.shape) for name, v in logits.items()} == {
        'decode': (2, NUM_CLASSES, 5, 7),
        'aux': (2, NUM_CLASSES, 5, 7),
    }


def test_list_of_auxiliary_heads_is_numbered():
    auxiliary = segmentor_config()['auxiliary_head']
    segmentor = build(auxiliary_head=[auxiliary, auxiliary])
    assert list(segmentor.heads()) == ['decode', 'aux_0', 'aux_1']


def test_loss_averages_valid_pixels_only():
    segmentor = build()
    logits = torch.randn(1, NUM_CLASSES, 4, 4, dtype=torch.float64)
    label = torch.full((1, 4, 4), 255)
    label[0, 0, 0], label[0, 2, 1] = 1, 3
    losses = segmentor.losses(Prediction({'decode': logits}), label)
    log_p = logits.log_softmax(1)[0]
    expected = -(log_p[1, 0, 0] + log_p[3, 2, 1]) / 2
    torch.testing.assert_close(losses['decode.loss_ce'], expected)


@pytest.mark.parametrize('avg_non_ignore', [True, False])
def test_loss_with_weights_of_classes_averages_valid_pixels(avg_non_ignore):
    head = segmentor_config()['decode_head']
    weights = [1.0, 2.0, 0.5, 3.0, 1.5]
    head['loss_decode'] |= dict(
        class_weight=weights, avg_non_ignore=avg_non_ignore
    )
    logits = torch.randn(1, NUM_CLASSES, 4, 4, dtype=torch.float64)
    label = torch.arange(16).view(1, 4, 4) % NUM_CLASSES
    label[0, :2] = 255
    losses = build(decode_head=head).losses(
        Prediction({'decode': logits}), label
    )
    expected = F.cross_entropy(
        logits, label, torch.tensor(weights).double(), ignore_index=255
    )
    torch.testing.assert_close(losses['decode.loss_ce'], expected)


def test_all_ignored_label_gives_zero_loss_and_gradient():
    segmentor = build()
    logits = torch.randn(1, NUM_CLASSES, 4, 4, requires_grad=True)
    label = torch.full((1, 8, 8), 255)
    losses = segmentor.losses(Prediction({'decode': logits}), label)
    losses['decode.loss_ce'].backward()
    assert losses['decode.loss_ce'].item() == 0
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_segmentation_loss_is_finite_for_huge_logits(dtype):
    logits = (torch.randn(1, NUM_CLASSES, 4, 4) * 1e4).to(dtype)
    label = torch.zeros(1, 4, 4, dtype=torch.long)
    losses = build().losses(Prediction({'decode': logits}), label)
    assert losses['decode.loss_ce'].isfinite()


@pytest.mark.parametrize(
    'head',
    [
        dict(type='OCRHead', ocr_channels=8),
        dict(type='EncHead', in_channels=[32, 64], in_index=[0, 1]),
    ],
)
def test_head_with_a_loss_of_its_own_is_refused(head):
    config = segmentor_config()
    config['decode_head'] |= head
    config['decode_head'].pop('concat_input')
    config['decode_head'].pop('num_convs')
    with pytest.raises(ConfigError, match=head['type']):
        MODELS.build(config)


def redraw(model):
    """Weights under which logits are of the order of one, in float64.

    A fresh network's features all but vanish under batch norm's initial
    statistics, so that any two results would agree within a tolerance.
    """
    for weight in model.parameters():
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight)
    return model.double().eval()


def image_of(height, width):
    return torch.randn(1, 3, height, width, dtype=torch.float64)


def resized(values, size):
    return torch.nn.functional.interpolate(
        values, size, mode='bilinear', align_corners=True
    )


def predict(test_cfg, size=(36, 50), **meta):
    """Predicted logits, and the same resized in one and in two steps.

    An image of 8 n + 1 pixels would have the logits' grid among its own, and
    two steps would give what one gives.
    """
    segmentor = redraw(build(test_cfg=test_cfg))
    image = image_of(*size)
    meta = dict(img_shape=(36, 50), ori_shape=(66, 98)) | meta
    with torch.no_grad():
        result = segmentor.predict(image, [SegDataSample(metainfo=meta)])
        raw = segmentor(image)
    assert raw.abs().max() > 0.1
    one_step = resized(raw, (66, 98))[0]
    inside = resized(raw, size)[:, :, :36, :50]
    two_steps = resized(inside, (66, 98))[0]
    assert (one_step - two_steps).abs().max() > 0.01
    return result[0].seg_logits.data, one_step, two_steps


def test_upsample_once_resizes_logits_in_one_step():
    result, one_step, _ = predict(dict(mode='whole', upsample_once=True))
    torch.testing.assert_close(result, one_step)


def test_default_resizes_logits_in_two_steps():
    result, _, two_steps = predict(dict(mode='whole'))
    torch.testing.assert_close(result, two_steps)


def test_upsample_once_keeps_out_of_padded_images():
    result, _, two_steps = predict(
        dict(mode='whole', upsample_once=True),
        size=(40, 56),
        pad_shape=(40, 56),
        padding_size=[0, 6, 0, 4],
    )
    torch.testing.assert_close(result, two_steps)


def ensemble(tmp_path, weights):
    config = model_config('SourceOnly')
    files = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = redraw(MODELS.build(config))
        files.append(str(tmp_path / f'{seed}.pth'))
        torch.save({'state_dict': model.state_dict()}, files[-1])
    model = MODELS.build(
        dict(
            type='SegmentorEnsemble',
            models=[config, config],
            checkpoints=files,
            weights=weights,
            data_preprocessor=config['data_preprocessor'],
        )
    )
    return model.double().eval()


def weighted_sum(first, second):
    assert first.abs().max() > 0.1
    assert (first - second).abs().max() > 0.1
    return 0.25 * first + 0.75 * second


def test_ensemble_sums_weighted_logits(tmp_path):
    model = ensemble(tmp_path, [0.25, 0.75])
    image = image_of(33, 49)
    sample = SegDataSample(
        metainfo=dict(img_shape=(33, 49), ori_shape=(40, 60))
    )
    result, *parts = (
        m.predict(image, [sample.clone()])[0].seg_logits.data
        for m in (model, *model.models)
    )
    torch.testing.assert_close(result, weighted_sum(*parts))


def test_ensemble_sums_weighted_logits_of_windows(tmp_path):
    """``encode_decode`` is what test-time augmentation and slides use."""
    model = ensemble(tmp_path, [0.25, 0.75])
    image, metas = image_of(33, 49), [dict(img_shape=(33, 49))]
    result, *parts = (
        m.encode_decode(image, metas) for m in (model, *model.models)
    )
    torch.testing.assert_close(result, weighted_sum(*parts))


def test_ensemble_refuses_too_few_weights(tmp_path):
    with pytest.raises(ConfigError, match='2 checkpoints and 1 weights'):
        ensemble(tmp_path, [1.0])


@pytest.mark.parametrize(
    'weights', [[math.nan, 1], [math.inf, 1], [0, 0], [-1, 1]]
)
def test_ensemble_refuses_impossible_weights(tmp_path, weights):
    with pytest.raises(ConfigError, match='at least 0, and not all 0'):
        ensemble(tmp_path, weights)
