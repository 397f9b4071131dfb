"""The one form in which every segmentor answers."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import NUM_CLASSES, model_config, segmentor_config

from mmuda.models.segmentors import (
    Box,
    Prediction,
    UDAEncoderDecoder,
    View,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def build():
    torch.manual_seed(0)
    return MODELS.build(segmentor_config()).eval()


def images(count=1):
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, 3, 33, 41, generator=generator)


def test_without_heads_it_is_the_tensor_of_mmseg():
    network = build()
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(images()), plain.eval()(images()))
    method = MODELS.build(model_config('SourceOnly')).eval()
    method.load_state_dict(network.state_dict())
    assert torch.equal(method(images()), plain(images()))


def test_only_the_heads_that_are_asked_for_run():
    network, ran = build(), []
    network.auxiliary_head.register_forward_hook(lambda *_: ran.append(1))
    prediction = network(images(), heads=['decode'])
    assert list(prediction.logits) == ['decode']
    assert not ran
    assert prediction.features == ()


def test_features_come_when_asked_for():
    network = build()
    prediction = network(images(), heads=(), features=True)
    expected = network.backbone(images())
    assert prediction.logits == {}
    for found, other in zip(prediction.features, expected, strict=True):
        assert torch.equal(found, other)


def test_views_of_one_head_are_refused():
    views = {name: View(images(), ('decode',)) for name in 'ab'}
    with pytest.raises(ValueError, match=r"ask for \['decode'\]"):
        build()(views)


def test_of_one_view_there_may_be_features():
    network = build()
    prediction = network(View(images(), ('decode', 'aux')), features=True)
    assert list(prediction.logits) == ['decode', 'aux']
    assert len(prediction.features) == 2
    seen = network(View(images(), ('decode',)), heads=('aux',))
    assert list(seen.logits) == ['aux']


@pytest.mark.parametrize('asked', [dict(features=True), dict(heads=['aux'])])
def test_several_views_say_themselves_what_they_ask_for(asked):
    with pytest.raises(ValueError, match='several views'):
        build()(dict(a=View(images(), ('decode',))), **asked)


class OfHalf(UDAEncoderDecoder):
    """Predicts from the left half of images."""

    def _see(self, view, features=False):
        left = view._replace(images=view.images[..., :20])
        boxes = {head: Box(0, 33, 0, 20) for head in view.heads}
        return super()._see(left, features)._replace(boxes=boxes)


def test_several_views_keep_their_boxes():
    network = build()
    network.__class__ = OfHalf
    views = dict(a=View(images(), ('decode',)), b=View(images(), ('aux',)))
    box = Box(0, 33, 0, 20)
    assert network(views).boxes == dict(decode=box, aux=box)


def test_a_style_needs_its_layers():
    with pytest.raises(ConfigError, match='has no style_layers'):
        build()(View(images(), ('decode',), style=(None,)))


def drawn(size):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, NUM_CLASSES, *size, generator=generator)
    labels = torch.randint(0, NUM_CLASSES, (2, 16, 24), generator=generator)
    weights = torch.rand(2, 16, 24, generator=generator)
    return logits, labels, weights


def test_losses_of_a_box_are_those_of_the_part_of_the_labels():
    logits, labels, weights = drawn((4, 6))
    box = Box(top=2, bottom=10, left=5, right=21)
    prediction = Prediction({'decode': logits}, boxes={'decode': box})
    found = build().losses(prediction, labels, weights)['decode.loss_ce']
    scores = F.interpolate(
        logits, (8, 16), mode='bilinear', align_corners=True
    )
    pixels = F.cross_entropy(scores, labels[:, 2:10, 5:21], reduction='none')
    expected = (weights[:, 2:10, 5:21] * pixels).mean()
    torch.testing.assert_close(found, expected)


def test_weights_of_one_change_nothing():
    logits, labels, weights = drawn((16, 24))
    prediction = Prediction({'decode': logits, 'aux': logits})
    plain = build().losses(prediction, labels)
    weighted = build().losses(prediction, labels, torch.ones_like(weights))
    torch.testing.assert_close(plain, weighted)


def test_accuracy_is_that_of_labelled_pixels():
    logits, labels, _ = drawn((16, 24))
    labels[:, :5] = 255
    found = build().losses(Prediction({'decode': logits}), labels)
    hits = (logits.argmax(1) == labels)[:, 5:].float().mean()
    torch.testing.assert_close(
        found['decode.acc_seg'].squeeze(), 100 * hits, rtol=1e-5, atol=1e-4
    )
