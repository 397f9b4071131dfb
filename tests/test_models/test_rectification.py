import math

import pytest
import torch
import torch.nn.functional as F

from mmuda.models.losses import (
    divergence_map,
    kl_divergence,
    masked_mean,
    rectification_weights,
    weighted_cross_entropy,
)


def random_logits(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def random_labels(*shape, classes=4, seed=0):
    """Labels of which about a third is ignored."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, shape, generator=generator)
    ignored = torch.rand(shape, generator=generator) < 1 / 3
    return labels.masked_fill(ignored, 255)


def logits_of(*probabilities):
    """Logits of one pixel, (1, C, 1, 1)."""
    values = torch.tensor(probabilities, dtype=torch.float64)
    return values.clamp(min=1e-300).log().view(1, -1, 1, 1)


def test_divergence_of_equal_predictions_is_zero():
    logits = random_logits(2, 5, 3, 4)
    assert divergence_map(logits, logits + 7).abs().max() < 1e-12


def test_divergence_of_a_certain_from_an_undecided_prediction_is_ln_2():
    divergence = divergence_map(logits_of(1, 0), logits_of(0.5, 0.5))
    assert divergence.item() == pytest.approx(math.log(2), abs=1e-12)


def test_divergence_is_of_the_student_from_the_teacher():
    teacher, student = logits_of(0.9, 0.1), logits_of(0.4, 0.6)
    expected = 0.9 * math.log(0.9 / 0.4) + 0.1 * math.log(0.1 / 0.6)
    divergence = divergence_map(teacher, student)
    assert divergence.item() == pytest.approx(expected, abs=1e-12)


def test_divergence_is_that_of_torch_at_each_pixel():
    teacher, student = random_logits(2, 5, 3, 4), random_logits(2, 5, 3, 4) * 2
    expected = F.kl_div(
        student.log_softmax(1),
        teacher.log_softmax(1),
        reduction='none',
        log_target=True,
    ).sum(1)
    torch.testing.assert_close(divergence_map(teacher, student), expected)


def test_mean_of_the_map_is_the_divergence_that_teaches():
    teacher, student = random_logits(2, 5, 3, 4), random_logits(2, 5, 3, 4) * 2
    expected = divergence_map(teacher, student).mean()
    assert torch.equal(kl_divergence(teacher, student), expected)


def test_divergence_of_huge_logits_is_finite():
    teacher = random_logits(1, 5, 3, 4, dtype=torch.float32) * 1e4
    student = random_logits(1, 5, 3, 4, seed=1, dtype=torch.float32) * 1e4
    assert divergence_map(teacher, student).isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_divergence_of_half_precision_is_in_single_precision(dtype):
    teacher = random_logits(1, 5, 3, 4).to(dtype)
    student = random_logits(1, 5, 3, 4, seed=1).to(dtype)
    divergence = divergence_map(teacher, student)
    assert divergence.dtype == torch.float32
    torch.testing.assert_close(
        divergence, divergence_map(teacher.float(), student.float())
    )


def test_weight_of_equal_predictions_is_one():
    logits = random_logits(2, 5, 3, 4)
    weights = rectification_weights([divergence_map(logits, logits)])
    torch.testing.assert_close(weights, torch.ones_like(weights))


def test_weight_at_a_divergence_of_ln_2_is_half():
    divergence = divergence_map(logits_of(1, 0), logits_of(0.5, 0.5))
    weight = rectification_weights([divergence])
    assert weight.item() == pytest.approx(0.5, abs=1e-12)


def test_weight_is_the_mean_over_the_other_heads():
    """Three targets: two others, one of which agrees."""
    teacher = logits_of(1, 0)
    others = [logits_of(1, 0), logits_of(0.5, 0.5)]
    weight = rectification_weights(
        [divergence_map(teacher, o) for o in others]
    )
    assert weight.item() == pytest.approx((1 + 0.5) / 2, abs=1e-12)


def test_gamma_is_the_rate():
    divergence = torch.tensor([[[0.7]]], dtype=torch.float64)
    weight = rectification_weights([divergence], gamma=2.0)
    assert weight.item() == pytest.approx(math.exp(-1.4), abs=1e-12)


def test_weights_have_no_gradient():
    logits = random_logits(1, 3, 2, 2).requires_grad_()
    divergence = divergence_map(logits, logits * 2)
    assert not rectification_weights([divergence]).requires_grad


def test_weights_are_of_each_pixel():
    divergence = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    torch.testing.assert_close(
        rectification_weights([divergence]), (-divergence).exp()
    )


def test_weights_without_other_heads_are_refused():
    with pytest.raises(ValueError, match='at least one divergence'):
        rectification_weights([])


def test_weighted_cross_entropy_in_plain_torch():
    logits, labels = random_logits(2, 4, 3, 5), random_labels(2, 3, 5)
    weights = random_logits(2, 3, 5, seed=2).sigmoid()
    total, count = 0.0, 0
    for n in range(2):
        for y in range(3):
            for x in range(5):
                label = labels[n, y, x].item()
                if label != 255:
                    p = logits[n, :, y, x].softmax(0)[label].item()
                    total -= weights[n, y, x].item() * math.log(p)
                    count += 1
    loss = weighted_cross_entropy(logits, labels, weights)
    assert loss.item() == pytest.approx(total / count, abs=1e-12)


def test_without_weights_it_is_the_mean_over_labelled_pixels():
    logits, labels = random_logits(2, 4, 3, 5), random_labels(2, 3, 5)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels),
        F.cross_entropy(logits, labels, ignore_index=255),
    )


def test_halved_weights_halve_the_loss():
    logits, labels = random_logits(1, 4, 3, 5), random_labels(1, 3, 5)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels, torch.full((1, 3, 5), 0.5)),
        weighted_cross_entropy(logits, labels) / 2,
    )


def test_loss_without_labels_is_zero():
    labels = torch.full((1, 3, 5), 255)
    loss = weighted_cross_entropy(
        random_logits(1, 4, 3, 5), labels, torch.ones(1, 3, 5)
    )
    assert loss.item() == 0


def test_loss_without_labels_has_a_gradient_of_zero():
    logits = random_logits(1, 4, 3, 5).requires_grad_()
    weighted_cross_entropy(logits, torch.full((1, 3, 5), 255)).backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_ignored_pixels_get_no_gradient():
    logits = random_logits(1, 4, 3, 5).requires_grad_()
    labels = random_labels(1, 3, 5)
    weighted_cross_entropy(logits, labels).backward()
    reached = (logits.grad != 0).any(dim=1)
    assert torch.equal(reached, labels != 255)


def test_gradient_is_right():
    logits = random_logits(1, 4, 2, 3).requires_grad_()
    labels = random_labels(1, 2, 3)
    weights = random_logits(1, 2, 3, seed=2).sigmoid()
    assert torch.autograd.gradcheck(
        lambda x: weighted_cross_entropy(x, labels, weights), (logits,)
    )


def test_loss_of_huge_logits_is_finite():
    logits = random_logits(1, 4, 3, 5, dtype=torch.float32) * 1e4
    logits.requires_grad_()
    loss = weighted_cross_entropy(logits, random_labels(1, 3, 5))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_loss_of_half_precision_is_in_single_precision(dtype):
    logits = random_logits(1, 4, 3, 5).to(dtype)
    labels = random_labels(1, 3, 5)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels),
        F.cross_entropy(logits.float(), labels, ignore_index=255),
    )


def test_masked_mean_is_over_labelled_pixels():
    values = torch.tensor([[[1.0, 2.0, 6.0]]])
    labels = torch.tensor([[[0, 255, 3]]])
    assert masked_mean(values, labels).item() == 3.5


def test_masked_mean_of_nothing_has_a_gradient_of_zero():
    values = torch.ones(1, 2, 2, requires_grad=True)
    masked_mean(values, torch.full((1, 2, 2), 255)).backward()
    assert torch.equal(values.grad, torch.zeros(1, 2, 2))


def test_masked_mean_leaves_out_what_is_not_a_number():
    values = torch.tensor([[[1.0, torch.nan]]])
    assert masked_mean(values, torch.tensor([[[0, 255]]])).item() == 1


@pytest.mark.parametrize('images', [1, 4])
def test_a_mask_with_an_axis_too_many_is_refused(images):
    """Broadcast, it would count each image once for every other one."""
    losses = torch.rand(images, 3, 5)
    labels = torch.zeros(images, 1, 3, 5, dtype=torch.long)
    with pytest.raises(ValueError, match=r'give both as \(N, H, W\)'):
        masked_mean(losses, labels)


def test_weights_with_an_axis_too_many_are_refused():
    labels = torch.zeros(4, 3, 5, dtype=torch.long)
    weights = torch.rand(4, 1, 3, 5)
    with pytest.raises(ValueError, match=r'values are \(4, 4, 3, 5\)'):
        weighted_cross_entropy(torch.rand(4, 2, 3, 5), labels, weights)
