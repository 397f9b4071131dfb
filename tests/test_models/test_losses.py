import math

import pytest
import torch

from mmuda.models.losses import (
    class_ratio_prior_loss,
    domain_loss,
    entropy_loss,
    entropy_map,
    process_share,
    self_information,
)


def random_logits(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_shares_of_many_pixels_fit_into_half_precision(dtype):
    share = process_share(torch.tensor(10**6 + 1), dtype)
    assert (share.item(), share.dtype) == (1, dtype)


def test_uniform_prediction_has_entropy_one():
    entropy = entropy_map(torch.zeros(2, 19, 3, 4, dtype=torch.float64))
    torch.testing.assert_close(entropy, torch.ones_like(entropy))


def test_certain_prediction_has_entropy_zero():
    logits = torch.zeros(1, 19, 2, 2)
    logits[:, 3] = 1e4
    assert entropy_map(logits).abs().max() == 0


def test_two_equally_likely_classes_of_four_have_entropy_half():
    logits = torch.full((1, 4, 1, 1), -1e4, dtype=torch.float64)
    logits[:, :2] = 0
    assert entropy_map(logits).item() == pytest.approx(0.5, abs=1e-12)


def test_entropy_equals_its_definition():
    logits = random_logits(2, 7, 5, 6)
    p = logits.softmax(1)
    expected = -(p * torch.log2(p)).sum(1) / math.log2(7)
    torch.testing.assert_close(entropy_map(logits), expected)


def test_self_information_sums_to_entropy():
    logits = random_logits(2, 7, 5, 6)
    torch.testing.assert_close(
        self_information(logits).sum(1), entropy_map(logits)
    )


def test_largest_self_information_of_19_classes():
    """At p = 1/e the map reaches 1 / (e ln 19) = 0.1249."""
    rest = math.log((1 - 1 / math.e) / 18)
    logits = torch.full((1, 19, 1, 1), rest, dtype=torch.float64)
    logits[:, 0] = -1
    value = self_information(logits)[0, 0, 0, 0].item()
    assert value == pytest.approx(1 / (math.e * math.log(19)), abs=1e-12)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('scale', [1.0, 1e4])
def test_entropy_and_its_gradient_are_finite(dtype, scale):
    logits = (random_logits(1, 19, 4, 4) * scale).to(dtype).requires_grad_()
    loss = entropy_loss(logits)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_half_precision_logits_are_handled_in_single_precision():
    logits = random_logits(1, 19, 4, 4).to(torch.bfloat16)
    assert self_information(logits).dtype == torch.float32


def test_entropy_gradient_is_right():
    logits = random_logits(1, 4, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(entropy_loss, (logits,))


@pytest.mark.parametrize('padded', [False, True])
@pytest.mark.parametrize('fraction', [0.3, 0.28, 0.01])
def test_entropy_range_takes_the_pixels_of_highest_entropy_of_each_image(
    fraction, padded
):
    logits = random_logits(2, 5, 4, 5, seed=1)
    per_image = entropy_map(logits).flatten(1).sort(dim=1).values
    # 30 % of 20 pixels are 6, 28 % are 5.6, and one is the least.
    expected = per_image[:, -1 if fraction < 0.1 else -6 :].mean()
    valid = torch.ones(2, 4, 5, dtype=torch.bool) if padded else None
    torch.testing.assert_close(entropy_loss(logits, fraction, valid), expected)


def test_entropy_range_of_everything_is_the_mean():
    logits = random_logits(2, 5, 4, 5)
    torch.testing.assert_close(
        entropy_loss(logits, 1.0), entropy_map(logits).mean()
    )


def test_class_ratio_prior_punishes_a_class_that_vanishes():
    logits = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    logits[:, 0] = 1e4  # class 1 never predicted
    prior = torch.tensor([0.4, 0.6])
    loss = class_ratio_prior_loss(logits, prior, relaxation=0.5)
    assert loss.item() == pytest.approx(0.5 * 0.6, abs=1e-7)


def test_class_ratio_prior_allows_a_class_to_grow():
    logits = torch.zeros(1, 2, 3, 3)  # both at one half
    loss = class_ratio_prior_loss(logits, torch.tensor([0.9, 0.1]), 0.5)
    assert loss.item() == 0


def test_class_ratio_prior_is_averaged_over_images():
    logits = torch.zeros(2, 2, 1, 1, dtype=torch.float64)
    logits[0, 0] = 1e4
    loss = class_ratio_prior_loss(logits, torch.tensor([0.0, 1.0]), 1.0)
    assert loss.item() == pytest.approx((1.0 + 0.5) / 2)


@pytest.mark.parametrize(('label', 'sign'), [(0.0, 1), (1.0, -1)])
def test_vanilla_domain_loss_is_softplus(label, sign):
    decision = random_logits(2, 1, 3, 3)
    expected = torch.nn.functional.softplus(sign * decision).mean()
    torch.testing.assert_close(domain_loss(decision, label), expected)


def test_least_squares_domain_loss():
    decision = torch.full((1, 1, 2, 2), 3.0)
    assert domain_loss(decision, 1.0, 'least_squares').item() == 4.0


def test_domain_loss_is_finite_for_large_decisions():
    decision = torch.full((1, 1, 2, 2), -1e4, dtype=torch.bfloat16)
    assert domain_loss(decision, 1.0).item() == pytest.approx(1e4, rel=0.01)
