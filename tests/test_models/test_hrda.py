"""HRDAEncoderDecoder: passes of training, predictions, losses, errors."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hrda_models import (
    DETAIL,
    IMAGE,
    NETWORKS,
    build,
    hrda_config,
    images_of,
    labels_of,
)
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_models import NUM_CLASSES, model_config

from mmuda.models.segmentors import Box
from mmuda.models.segmentors.strip_predictions import choose_outputs
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

BOX = Box(16, 48, 32, 80)
PARTS = ('decode', 'decode.hr')


def evaluating(head='SegformerHead', **changes):
    """A segmentor whose parts say something, in evaluation mode."""
    network = build(head, **changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if 'conv_seg' in name or 'head.convs' in name:
                weights.copy_(torch.randn(weights.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize('head', NETWORKS)
def test_a_training_pass_sees_a_crop_in_detail(head):
    network = build(head)
    torch.manual_seed(3)
    box = network.draw_box(IMAGE)
    torch.manual_seed(3)
    prediction = network(images_of(), heads=('decode',), features=True)
    assert prediction.boxes == {'decode.hr': box}
    cell = 8 if head == 'DLV2Head' else 4
    assert {k: tuple(v.shape) for k, v in prediction.logits.items()} == {
        'decode': (2, NUM_CLASSES, IMAGE[0] // cell, IMAGE[1] // cell),
        'decode.hr': (2, NUM_CLASSES, DETAIL[0] // cell, DETAIL[1] // cell),
    }


def test_the_detail_is_a_crop_at_full_resolution():
    network = evaluating().train()
    for module in network.modules():
        module.training = module is network
    network.draw_box = lambda size: BOX
    images = images_of()
    found = network(images, heads=('decode',), features=True)
    crop = images[..., 16:48, 32:80]
    torch.testing.assert_close(
        found.logits['decode.hr'],
        network.decode_head(network.backbone(crop)),
    )
    half = F.interpolate(images, scale_factor=0.5, mode='bilinear')
    assert torch.equal(network.images_of_features(images), half)
    for level, expected in zip(
        found.features, network.backbone(half), strict=True
    ):
        torch.testing.assert_close(level, expected)


def test_each_pass_draws_a_box_for_its_batch():
    network = build()
    boxes = {
        network(images_of(), heads=('decode',)).boxes['decode.hr']
        for _ in range(6)
    }
    assert len(boxes) > 1


def test_features_alone_need_no_detail():
    network, calls = build(), []
    network.backbone.register_forward_hook(lambda *_: calls.append(1))
    prediction = network(images_of(), heads=(), features=True)
    assert len(calls) == 1
    assert prediction.logits == {}
    assert prediction.boxes == {}


@pytest.mark.parametrize('head', NETWORKS)
def test_predictions_see_detail_everywhere(head):
    network, images = evaluating(head), images_of(3)
    with torch.no_grad():
        found = network(images)
        cell = 8 if head == 'DLV2Head' else 4
        total = torch.zeros_like(found)
        count = torch.zeros(found.shape[2:])
        for top in (0, 16, 32):
            for left in (0, 24, 48):
                crop = images[..., top : top + 32, left : left + 48]
                detail = network.decode_head(network.backbone(crop))
                rows = slice(top // cell, (top + 32) // cell)
                columns = slice(left // cell, (left + 48) // cell)
                total[..., rows, columns] += detail
                count[rows, columns] += 1
        half = F.interpolate(images, scale_factor=0.5, mode='bilinear')
        levels = network.backbone(half)
        attention = network.attention_head(levels).sigmoid()
        context = (1 - attention) * network.decode_head(levels)
        size = dict(size=found.shape[2:], mode='bilinear')
        expected = F.interpolate(context, **size)
        expected += F.interpolate(attention, **size) * total / count
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('how', ['plain', 'by name', 'training'])
def test_predictions_draw_nothing(how):
    network, images = evaluating(), images_of()
    expected = network(images)
    if how == 'training':
        # As a teacher's norms that take the statistics of the batch.
        for module in network.modules():
            module.train() if 'Norm' in type(module).__name__ else None
        network.training = True
    state = torch.get_rng_state()
    if how == 'by name':
        prediction = network(images, heads=('decode',))
        assert list(prediction.logits) == ['decode']
        assert torch.equal(prediction.logits['decode'], expected)
    else:
        logits = network.predict_logits(images)
        assert torch.equal(logits, expected) is (how == 'plain')
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('size', [(57, 91), (24, 40), (64, 40), (17, 70)])
def test_images_of_any_size(size):
    network, images = evaluating('FCNHead'), images_of(size=size)
    height, width = size
    below, right = -height % 8, -width % 8
    with torch.no_grad():
        found = network(images)
        whole = network(F.pad(images, (0, right, 0, below)))
    if not (below or right):
        assert found.shape[2:] == (height // 4, width // 4)
        return
    size = height + below, width + right
    whole = F.interpolate(whole, size, mode='bilinear')
    torch.testing.assert_close(found, whole[..., :height, :width])


def test_details_without_overlap():
    network = evaluating(overlapping_details=False)
    assert len(network.detail_windows(IMAGE)) == 4
    assert len(evaluating().detail_windows(IMAGE)) == 9


def test_one_map_of_attention():
    network = evaluating()
    head = copy.deepcopy(hrda_config()['attention_head'])
    one = evaluating(attention_head=dict(head, num_classes=1))
    assert one.attention_head.conv_seg.out_channels == 1
    state = network.state_dict()
    for kind in ('weight', 'bias'):
        name = f'attention_head.conv_seg.{kind}'
        state[name] = state[name][:1]
    one.load_state_dict(state)
    for kind in ('weight', 'bias'):
        for values in (getattr(network.attention_head.conv_seg, kind),):
            values.data[:] = values.data[:1]
    torch.testing.assert_close(one(images_of()), network(images_of()))


def test_a_fixed_attention():
    network = evaluating(attention_head=None, fixed_attention=0.25)
    learned = evaluating()
    learned.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        learned.attention_head.conv_seg.weight.zero_()
        learned.attention_head.conv_seg.bias.fill_(-torch.tensor(3.0).log())
    torch.testing.assert_close(network(images_of()), learned(images_of()))


@pytest.mark.parametrize(
    ('changes', 'weights'),
    [
        ({}, {'decode': 0.9, 'decode.hr': 0.1}),
        (dict(detail_loss_weight=0), {'decode': 1.0}),
        (
            dict(context_loss_weight=0.1),
            {'decode': 0.8, 'decode.lr': 0.1, 'decode.hr': 0.1},
        ),
    ],
)
def test_losses_of_the_scales(changes, weights):
    network = build(**changes)
    network.draw_box = lambda size: BOX
    prediction = network(images_of(), heads=('decode',))
    labels = labels_of()
    factors = torch.rand(2, *IMAGE)
    losses = network.losses(prediction, labels, factors)
    assert {k.removesuffix('.loss_ce') for k in losses if 'loss' in k} == set(
        weights
    )
    for name, weight in weights.items():
        rows, columns = slice(None), slice(None)
        if name == 'decode.hr':
            rows, columns = slice(16, 48), slice(32, 80)
        own = labels[:, rows, columns]
        scores = F.interpolate(
            prediction.logits[name], own.shape[1:], mode='bilinear'
        )
        pixels = F.cross_entropy(
            scores, own, ignore_index=255, reduction='none'
        )
        expected = weight * (pixels * factors[:, rows, columns]).mean()
        torch.testing.assert_close(losses[f'{name}.loss_ce'], expected)


def test_mmseg_trains_it_by_both_losses():
    network = build()
    network.draw_box = lambda size: BOX
    labels = labels_of()
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=label[None]))
        for label in labels
    ]
    torch.manual_seed(0)
    found = network(images_of(), samples, mode='loss')
    torch.manual_seed(0)
    prediction = network(images_of(), heads=('decode',))
    expected = network.losses(prediction, labels)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name])


def test_all_of_the_heads_has_head_in_its_name():
    names = [n for n, _ in build().named_parameters()]
    learners = ('backbone.', 'decode_head.', 'attention_head.')
    assert all(name.startswith(learners) for name in names)
    assert any(name.startswith('attention_head.') for name in names)


def meta(ori_shape, size):
    return SegDataSample(
        metainfo=dict(ori_shape=ori_shape, img_shape=size, pad_shape=size)
    )


SLIDE = dict(mode='slide', crop_size=IMAGE, stride=(32, 48))


@pytest.mark.parametrize(
    'test_cfg',
    [dict(mode='whole'), dict(mode='whole', upsample_once=True), SLIDE],
)
@pytest.mark.parametrize('size', [(80, 120), (75, 113)])
def test_classes_in_strips_are_those_of_all_logits(test_cfg, size):
    network = evaluating(test_cfg=test_cfg)
    images = images_of(size=size)
    samples = [meta((160, 240), size), meta((71, 90), size)]
    with torch.no_grad():
        whole = network.predict(images, copy.deepcopy(samples))
        choose_outputs(network, [])
        network.strip_values = 1
        lean = network.predict(images, copy.deepcopy(samples))
    for one, other in zip(whole, lean, strict=True):
        assert one.pred_sem_seg.data.unique().numel() > 1
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)


def test_windows_over_a_large_image_are_averaged():
    network = evaluating(test_cfg=SLIDE)
    size = (80, 144)
    images = images_of(1, size)
    with torch.no_grad():
        found = network.predict(images, [meta(size, size)])[0].seg_logits.data
        total, count = torch.zeros_like(found), torch.zeros(size)
        for top in (0, 16):
            for left in (0, 48):
                window = images[..., top : top + 64, left : left + 96]
                logits = F.interpolate(network(window), IMAGE, mode='bilinear')
                total[..., top : top + 64, left : left + 96] += logits[0]
                count[top : top + 64, left : left + 96] += 1
    torch.testing.assert_close(found, total / count)


def test_versions_of_an_image_are_merged():
    network = evaluating()
    model = build(method='MinEnt').eval()
    model.segmentor.load_state_dict(network.state_dict())
    tta = MODELS.build(
        dict(type='DomainTTAModel', module=model_config('MinEnt'))
    )
    tta.module = model
    image = (images_of(1)[0] * 50 + 127).clamp(0, 255).byte()
    plain, flipped = meta(IMAGE, IMAGE), meta(IMAGE, IMAGE)
    flipped.set_metainfo(dict(flip=True, flip_direction='horizontal'))
    versions = [image, image.flip(-1)]
    (found,) = tta.test_step(
        dict(
            inputs=[[version] for version in versions],
            data_samples=[[plain], [flipped]],
        )
    )
    with torch.no_grad():
        one, other = (
            model(version[None].float() / 127.5 - 1) for version in versions
        )
    one, other = (
        F.interpolate(logits, IMAGE, mode='bilinear').softmax(dim=1)
        for logits in (one, other)
    )
    torch.testing.assert_close(
        found.seg_logits.data.exp(), (one + other.flip(-1))[0] / 2
    )


BAD = {
    'auxiliary head': (
        dict(auxiliary_head=hrda_config()['decode_head']),
        'auxiliary_head: HRDAEncoderDecoder fuses the main head alone',
    ),
    'no attention': (dict(attention_head=None), 'needs either'),
    'two attentions': (dict(fixed_attention=0.5), 'needs either'),
    'attention': (
        dict(attention_head=None, fixed_attention=1.5),
        r'segmentor.fixed_attention=1.5: must be',
    ),
    'scale': (dict(context_scale=0), 'segmentor.context_scale=0: must be'),
    'detail': (
        dict(detail_crop_size=(36, 48)),
        r'detail_crop_size=\(36, 48\): both sides must be multiples of '
        'crop_multiple=8',
    ),
    'odd scale': (
        dict(context_scale=0.3),
        'crop_multiple=8: times context_scale=0.3',
    ),
    'weights': (
        dict(detail_loss_weight=0.7, context_loss_weight=0.3),
        'a sum below 1',
    ),
    'classes': (
        dict(
            attention_head=dict(hrda_config()['attention_head'], num_classes=3)
        ),
        'attention_head.num_classes=3: must be 5',
    ),
    'test_cfg': (dict(test_cfg=dict(crop=1)), "unknown key 'crop'"),
}


@pytest.mark.parametrize(('changes', 'message'), BAD.values(), ids=BAD)
def test_bad_options(changes, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(hrda_config(**changes))


@pytest.mark.parametrize(
    ('head', 'changes', 'size', 'message'),
    [
        ('SegformerHead', {}, (24, 96), 'smaller than'),
        ('SegformerHead', {}, (60, 96), 'multiples of segmentor.crop_mul'),
        ('DLV2Head', dict(crop_multiple=4), IMAGE, 'no common grid'),
        (
            'SegformerHead',
            dict(crop_multiple=4),
            IMAGE,
            r'crop_multiple=4: crops .* of 8 pixels \(output stride 4 / '
            r'context_scale=0.5\); set a multiple of 8',
        ),
        (
            'SegformerHead',
            dict(
                attention_head=dict(
                    type='FCNHead', in_channels=8, in_index=1, channels=4
                )
            ),
            IMAGE,
            'let both read the same levels',
        ),
    ],
)
def test_images_that_do_not_fit(head, changes, size, message):
    network = build(head, **changes)
    network.draw_box = lambda size: Box(4, 36, 0, 48)
    with pytest.raises(ConfigError, match=message):
        network(images_of(size=size), heads=('decode',))
