"""The head of DAFormer against the published code's numbers."""

import modern_goldens
import pytest
import torch
from modern_goldens import assert_golden, starting_with

from benchmarks.memory import peak_bytes
from mmuda.convert.from_daformer import (
    tensors_from_published,
    tensors_to_published,
)
from mmuda.models import DAFormerHead
from mmuda.models.losses.averaging import losses_of_head
from mmuda.utils.errors import ConfigError

FUSIONS = ('sepaspp', 'conv1')


def build(fusion, **kwargs):
    return DAFormerHead(
        modern_goldens.WIDTHS,
        num_classes=modern_goldens.NUM_CLASSES,
        channels=16,
        fusion=fusion,
        dropout_ratio=0,
        **kwargs,
    ).double()


def own_names(tensors):
    named = tensors_from_published(
        {f'decode_head.{name}': value for name, value in tensors.items()}
    )
    return starting_with(named, 'decode_head.')


class Trained:
    """A head after one pass in training, with gradients of its loss."""

    def __init__(self, fusion):
        arrays = modern_goldens.load('head')
        self.expected = starting_with(arrays, f'{fusion}.')
        self.head = build(fusion)
        weights = own_names(starting_with(self.expected, 'w.'))
        missing, unknown = self.head.load_state_dict(weights, strict=False)
        assert unknown == []
        assert all(name.endswith('num_batches_tracked') for name in missing)
        features = [arrays[f'feat_{i}'] for i in range(4)]
        with torch.no_grad():
            self.logits_in_testing = self.head.eval()(features)
        self.features = [f.requires_grad_() for f in features]
        labels = arrays['label'][:, 0]
        self.logits = self.head.train()(self.features)
        self.losses = losses_of_head(self.head, self.logits, labels, None)
        weighted = losses_of_head(
            self.head, self.logits, labels, arrays['pixel_weight']
        )
        self.weighted = weighted['loss_ce']
        self.weighted.backward()


@pytest.fixture(scope='module', params=FUSIONS)
def trained(request):
    return Trained(request.param)


def test_logits_equal_goldens(trained):
    assert_golden(trained.logits_in_testing, trained.expected['eval'])
    assert_golden(trained.logits, trained.expected['train'])


def test_losses_equal_goldens(trained):
    assert_golden(trained.losses['loss_ce'], trained.expected['loss'])
    assert_golden(trained.weighted, trained.expected['loss_weighted'])


def test_gradients_equal_goldens(trained):
    expected = own_names(starting_with(trained.expected, 'grad.'))
    named = {n: p.grad for n, p in trained.head.named_parameters()}
    named |= {f'{i}': f.grad for i, f in enumerate(trained.features)}
    expected |= starting_with(trained.expected, 'grad_feat_')
    assert named.keys() == expected.keys()
    largest = max(float(g.abs().max()) for g in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            named[name], gradient, rtol=0, atol=1e-8 * largest
        )


def test_batch_statistics_are_counted_as_in_goldens(trained):
    expected = own_names(starting_with(trained.expected, 'after.'))
    buffers = dict(trained.head.named_buffers())
    for name, value in expected.items():
        assert_golden(buffers[name], value)


@pytest.mark.parametrize('fusion', FUSIONS)
def test_every_parameter_gets_a_gradient(fusion):
    head = build(fusion)
    levels = [
        torch.randn(2, width, 16 // 2**i, 24 // 2**i, dtype=torch.float64)
        for i, width in enumerate(modern_goldens.WIDTHS)
    ]
    head(levels).sum().backward()
    assert [n for n, p in head.named_parameters() if p.grad is None] == []


def test_levels_are_chosen_by_index():
    head = DAFormerHead(
        [8, 16], num_classes=3, channels=4, in_index=[1, 3], fusion='conv1'
    )
    levels = [torch.randn(2, w, 4, 6) for w in modern_goldens.WIDTHS]
    assert head(levels).shape == (2, 3, 4, 6)


def test_dropout_drops_whole_channels_in_training_only():
    head = build('conv1')
    head.dropout = torch.nn.Dropout2d(0.5)
    levels = [
        torch.randn(2, w, 4, 6, dtype=torch.float64)
        for w in modern_goldens.WIDTHS
    ]
    head.eval()
    assert torch.equal(head(levels), head(levels))
    head.train()
    assert not torch.equal(head(levels), head(levels))


def test_classifier_starts_from_small_normal():
    head = DAFormerHead(modern_goldens.WIDTHS, num_classes=19)
    head.init_weights()
    std = float(head.conv_seg.weight.detach().std())
    assert std == pytest.approx(0.01, rel=0.05)


def test_names_survive_both_directions(trained):
    own = {
        f'decode_head.{name}': value
        for name, value in trained.head.state_dict().items()
    }
    back = tensors_from_published(tensors_to_published(own))
    torch.testing.assert_close(back, own, rtol=0, atol=0)


def test_unknown_fusion_is_refused():
    with pytest.raises(ConfigError, match="fusion='aspp' is not one of"):
        build('aspp')


@pytest.mark.parametrize(('fusion', 'peak'), [('sepaspp', 4), ('conv1', 2.2)])
@torch.no_grad()
def test_nothing_is_kept_without_gradients(fusion, peak):
    """In fused maps: it was 4.75 and 2.5 of them."""
    head = DAFormerHead([8] * 4, channels=16, num_classes=3, fusion=fusion)
    levels = [torch.rand(2, 8, 64 >> i, 64 >> i) for i in range(4)]
    fused = 4 * 2 * 64 * 64 * 64
    assert peak_bytes(lambda: head.eval()(levels)) < peak * fused
