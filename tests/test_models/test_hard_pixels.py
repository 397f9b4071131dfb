"""Cross entropy of the hardest pixels, on numbers worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmuda.models.losses import HardPixelCrossEntropyLoss, hardest
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

# Ten pixels of two classes: the losses are log(1 + e^-m).
MARGINS = torch.arange(10.0) - 4


def logits(margins=MARGINS):
    scores = torch.stack([margins, torch.zeros_like(margins)])
    return scores.reshape(1, 2, 2, 5).requires_grad_()


def labels(ignored=()):
    label = torch.zeros(10, dtype=torch.long)
    label[list(ignored)] = 255
    return label.reshape(1, 2, 5)


def loss_of(margin):
    return math.log1p(math.exp(-margin))


def test_mean_of_the_hardest_fifth():
    loss = HardPixelCrossEntropyLoss(0.2)(logits(), labels())
    expected = (loss_of(-4) + loss_of(-3)) / 2
    assert loss.item() == pytest.approx(expected)


def test_ignored_pixels_are_zero_and_counted():
    loss = HardPixelCrossEntropyLoss(0.5)(logits(), labels(range(3, 10)))
    expected = (loss_of(-4) + loss_of(-3) + loss_of(-2)) / 5
    assert loss.item() == pytest.approx(expected)


def test_whole_portion_is_the_mean_over_all_pixels():
    loss = HardPixelCrossEntropyLoss(1.0)(logits(), labels([9]))
    expected = sum(loss_of(m) for m in MARGINS.tolist()[:9]) / 10
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('portion', 'count'), [(0.01, 1), (0.29, 2), (0.3, 3), (1, 10)]
)
def test_number_of_pixels_is_rounded_down_to_at_least_one(portion, count):
    values = torch.arange(10.0).reshape(2, 5)
    kept = sorted(hardest(values, portion).tolist())
    assert kept == list(range(10 - count, 10))


def test_gradient_reaches_the_kept_pixels_only():
    scores = logits()
    HardPixelCrossEntropyLoss(0.2)(scores, labels()).backward()
    touched = scores.grad.abs().sum(dim=1).flatten() > 0
    assert touched.tolist() == [True] * 2 + [False] * 8


def test_gradient_equals_that_of_the_kept_pixels_alone():
    scores, alone = logits(), logits()
    HardPixelCrossEntropyLoss(0.2)(scores, labels()).backward()
    F.cross_entropy(
        alone.flatten(2)[..., :2], labels().flatten(1)[:, :2]
    ).backward()
    torch.testing.assert_close(scores.grad, alone.grad)


def test_pixels_are_chosen_over_the_batch():
    hard, easy = logits(MARGINS), logits(MARGINS + 20)
    both = HardPixelCrossEntropyLoss(0.1)(
        torch.cat([easy, hard]), labels().repeat(2, 1, 1)
    )
    assert both.item() == pytest.approx((loss_of(-4) + loss_of(-3)) / 2)


def test_nothing_labelled_is_zero_with_a_gradient():
    scores = logits()
    loss = HardPixelCrossEntropyLoss(0.2)(scores, labels(range(10)))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.abs().sum() == 0


def test_class_weight_decides_what_is_hard():
    label = labels()
    label[0, 0, 0] = 1  # easy for class 1: its loss is log(1 + e^-4)
    loss = HardPixelCrossEntropyLoss(0.1, class_weight=[1.0, 1000.0])
    expected = 1000 * loss_of(4)
    assert loss(logits(), label).item() == pytest.approx(expected, rel=1e-5)


def test_pixel_weights_come_before_the_choice():
    weight = torch.ones(1, 2, 5)
    weight[0, 0, :2] = 0
    loss = HardPixelCrossEntropyLoss(0.1)(logits(), labels(), weight=weight)
    assert loss.item() == pytest.approx(loss_of(-2))


def test_loss_weight_multiplies():
    loss = HardPixelCrossEntropyLoss(0.1, loss_weight=0.4)
    assert loss(logits(), labels()).item() == pytest.approx(0.4 * loss_of(-4))


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(reduction_override='sum'), loss_of(-4) + loss_of(-3)),
        (dict(avg_factor=8), (loss_of(-4) + loss_of(-3)) / 8),
    ],
)
def test_other_reductions(options, expected):
    loss = HardPixelCrossEntropyLoss(0.2)(logits(), labels(), **options)
    assert loss.item() == pytest.approx(expected)


def test_without_reduction_all_pixels_are_given():
    losses = HardPixelCrossEntropyLoss()(
        logits(), labels([1]), reduction_override='none'
    )
    assert losses.shape == (1, 2, 5)
    assert losses[0, 0, 1] == 0
    assert losses[0, 0, 2].item() == pytest.approx(loss_of(-2))


def test_half_precision_is_computed_in_single():
    scores = torch.tensor([[[[60000.0]], [[0.0]]]], dtype=torch.float16)
    label = torch.ones(1, 1, 1, dtype=torch.long)
    loss = HardPixelCrossEntropyLoss()(scores, label)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(60000, rel=1e-3)


def test_head_builds_it_under_mmsegs_name():
    head = MODELS.build(
        dict(
            type='FCNHead',
            in_channels=4,
            channels=4,
            num_classes=3,
            loss_decode=dict(type='HardPixelCrossEntropyLoss', portion=0.5),
        )
    )
    assert head.loss_decode.loss_name == 'loss_ce'
    assert not head.loss_decode.state_dict()


@pytest.mark.parametrize('portion', [0, 1.1, -0.2])
def test_portion_out_of_range_is_refused(portion):
    with pytest.raises(ConfigError, match=f'not {portion}'):
        HardPixelCrossEntropyLoss(portion)
