"""HRDA against the numbers of the published code."""

import copy
from fractions import Fraction

import modern_goldens
import pytest
import torch
from mmseg.structures import SegDataSample
from modern_goldens import assert_golden, normalised, starting_with

from mmuda.convert.from_daformer import (
    network_from_published,
    tensors_from_published,
    tensors_to_published,
)
from mmuda.models.segmentors import Box
from mmuda.models.segmentors.scales import (
    assembled,
    offsets,
    on_grid,
    part,
)
from mmuda.models.segmentors.strip_predictions import choose_outputs
from mmuda.registry import MODELS

WINDOW, DETAIL = (128, 192), (64, 96)
HEAD = dict(
    type='DAFormerHead',
    in_channels=modern_goldens.WIDTHS,
    channels=8,
    num_classes=modern_goldens.NUM_CLASSES,
    dropout_ratio=0,
)
SCALES = ('decode', 'decode.hr', 'decode.lr')


def build(weights, num_maps=modern_goldens.NUM_CLASSES, **changes):
    """The network of the goldens, of published weights."""
    config = dict(
        type='HRDAEncoderDecoder',
        backbone=modern_goldens.MIT,
        decode_head=HEAD,
        attention_head=dict(HEAD, fusion='conv1', num_classes=num_maps),
        detail_crop_size=DETAIL,
    )
    network = MODELS.build(copy.deepcopy(config) | changes).double()
    missing, unknown = network.load_state_dict(
        network_from_published(weights), strict=False
    )
    assert unknown == []
    assert all(name.endswith('num_batches_tracked') for name in missing)
    return network


class Passed:
    """A training pass in a known box, with gradients of its losses."""

    def __init__(self, arrays, kind='', **changes):
        weights = starting_with(arrays, 'w.')
        weights |= starting_with(arrays, f'{kind}w.')
        self.network = build(weights, **changes).train()
        box = Box(*arrays[f'{kind}box'].tolist())
        self.network.draw_box = lambda size: box
        self.prediction = self.network(
            normalised(arrays['image']), heads=('decode',), features=True
        )
        self.labels = arrays['label'][:, 0].long()
        self.losses = self.network.losses(
            self.prediction, self.labels, arrays['pixel_weight']
        )
        self.total = sum(v for k, v in self.losses.items() if 'loss' in k)
        self.total.backward()
        self.expected = starting_with(arrays, kind)


KINDS = {
    '': {},
    'full.': dict(detail_crop_size=WINDOW, context_loss_weight=0.1),
    'oneatt.': dict(num_maps=1),
}


@pytest.fixture(scope='module')
def arrays():
    return modern_goldens.load('hrda_train')


@pytest.mark.parametrize('recompute', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_losses_equal_goldens(arrays, kind, recompute):
    found = Passed(arrays, kind, recompute=recompute, **KINDS[kind])
    names = [n for n in SCALES if f'log.{n}.loss_seg' in found.expected]
    own = [name for name in found.losses if 'loss' in name]
    assert sorted(own) == sorted(f'{name}.loss_ce' for name in names)
    for name in names:
        expected = found.expected[f'log.{name}.loss_seg']
        assert_golden(found.losses[f'{name}.loss_ce'], expected)
        # Theirs counts pixels without a label as wrong; mmseg's is float32.
        labels = found.labels
        if name == 'decode.hr':
            top, bottom, left, right = found.expected['box'].tolist()
            labels = labels[:, top:bottom, left:right]
        accuracy = (
            found.losses[f'{name}.acc_seg'] * (labels != 255).double().mean()
        )
        assert_golden(
            accuracy.squeeze(), found.expected[f'log.{name}.acc_seg'], 1e-6
        )
    assert_golden(found.total, found.expected['log.loss'])


@pytest.mark.parametrize('recompute', [False, True])
def test_a_training_pass_equals_goldens(arrays, recompute):
    found = Passed(arrays, recompute=recompute)
    logits, expected = found.prediction.logits, found.expected
    assert_golden(logits['decode'], expected['train_fused'])
    assert_golden(logits['decode.hr'], expected['train_hr'])
    assert_golden(found.prediction.features[-1], expected['fd_feat'])
    buffers = dict(found.network.named_buffers())
    after = tensors_from_published(starting_with(expected, 'after.'))
    assert {n for n in buffers if 'running' in n} == set(after)
    for name, values in after.items():
        assert_golden(buffers[name], values)


def test_norms_of_gradients_equal_goldens(arrays):
    found = Passed(arrays)
    expected = starting_with(found.expected, 'gradnorm.')
    gradients = {n: p.grad for n, p in found.network.named_parameters()}
    published = tensors_to_published(gradients)
    assert published.keys() == expected.keys()
    largest = max(float(norm) for norm in expected.values())
    for name, norm in expected.items():
        difference = published[name].norm() - norm
        assert abs(float(difference)) <= 1e-8 * largest, name


@pytest.mark.parametrize(
    ('size', 'crop', 'multiple'),
    [
        ((128, 192), (64, 96), 8),
        ((1024, 1024), (512, 512), 8),
        ((100, 150), (64, 96), 1),
        ((64, 96), (64, 96), 8),
    ],
)
def test_offsets_equal_goldens(arrays, size, crop, multiple):
    case = '_'.join('x'.join(map(str, part)) for part in (size, crop))
    for axis, length, side in zip('yx', size, crop, strict=True):
        expected = arrays[f'offsets_{axis}.{case}_d{multiple}']
        assert list(offsets(length, side, multiple)) == expected.tolist()


def test_published_boxes_are_among_ours(arrays):
    places = offsets(1024, 512, 8)
    for top, bottom, left, right in arrays['boxes_numpy_seed'].tolist():
        assert (bottom - top, right - left) == (512, 512)
        assert {top, left} <= set(places)


@torch.no_grad()
def test_predictions_equal_goldens():
    arrays = modern_goldens.load('hrda_test')
    network = build(starting_with(arrays, 'w.')).eval()
    images = normalised(arrays['image'])
    expected = [Box(*box) for box in arrays['slide_boxes'].tolist()]
    assert network.detail_windows(WINDOW) == expected
    assert_golden(network(images), arrays['eval_logits_quarter'])
    crops = torch.cat([part(images, box) for box in expected])
    detail = network.decode_head(network.backbone(crops))
    places = [on_grid(box, Fraction(4)) for box in expected]
    size = WINDOW[0] // 4, WINDOW[1] // 4
    assert_golden(assembled(detail, places, size), arrays['hr_logits'])
    levels = network.extract_feat(images)
    context = network.decode_head(levels)
    assert_golden(context, arrays['lr_logits'])
    attention = network.attention_head(levels).sigmoid()
    assert_golden(attention, arrays['attention'])


@torch.no_grad()
def test_sliding_over_a_large_image_equals_goldens():
    arrays = modern_goldens.load('hrda_slide')
    network = build(
        starting_with(arrays, 'w.'),
        test_cfg=dict(mode='slide', crop_size=WINDOW, stride=DETAIL),
    ).eval()
    images = normalised(arrays['image'])
    classes = arrays['argmax'].long()
    seen = tuple(images.shape[2:])
    shapes = dict(
        ori_shape=tuple(classes.shape[1:]), img_shape=seen, pad_shape=seen
    )
    sample = SegDataSample(metainfo=shapes)
    (found,) = network.predict(images, [copy.deepcopy(sample)])
    probabilities = found.seg_logits.data[None].softmax(dim=1)
    corner = arrays['probabilities_corner']
    rows, columns = corner.shape[2:]
    assert_golden(probabilities[..., :rows, :columns], corner)
    assert_golden(probabilities.mean(dim=(2, 3)), arrays['probabilities_mean'])
    largest = probabilities.amax(dim=1).mean(dim=(1, 2))
    assert_golden(largest, arrays['max'])
    assert torch.equal(found.pred_sem_seg.data, classes)
    choose_outputs(network, [])
    (lean,) = network.predict(images, [sample])
    assert torch.equal(lean.pred_sem_seg.data, classes)
