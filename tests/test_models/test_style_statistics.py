import math

import pytest
import torch

from mmuda.models.style import (
    ChannelStatistics,
    channel_statistics,
    swap_statistics,
)


def random_values(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def random_style(n, channels, seed=1):
    mean = random_values(n, channels, seed=seed)
    return ChannelStatistics(mean, mean.abs() + 0.5)


def row(*values):
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def test_mean_of_four_pixels():
    assert channel_statistics(row(1, 2, 3, 6)).mean.item() == 3


def test_deviation_comes_from_the_unbiased_variance():
    std = channel_statistics(row(1, 2, 3, 4)).std.item()
    assert std == pytest.approx(math.sqrt(5 / 3 + 1e-5), abs=1e-12)


def test_deviation_of_a_constant_channel():
    std = channel_statistics(row(7, 7, 7)).std.item()
    assert std == pytest.approx(math.sqrt(1e-5), abs=1e-12)


def test_statistics_are_of_each_sample_and_channel():
    values = random_values(2, 3, 4, 5)
    mean, std = channel_statistics(values)
    assert mean.shape == std.shape == (2, 3)
    expected = channel_statistics(values[1:, 2:])
    assert mean[1, 2] == pytest.approx(expected.mean.item())
    assert std[1, 2] == pytest.approx(expected.std.item())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_up_in_single_precision(dtype):
    """Squares of 1000 overflow in float16, and bfloat16 has three digits."""
    values = row(1000, 1008, 1016, 1024).to(dtype)
    mean, std = channel_statistics(values)
    assert mean.dtype == std.dtype == torch.float32
    assert mean.item() == 1012
    assert std.item() == pytest.approx(math.sqrt(320 / 3), rel=1e-6)


def test_swap_of_two_pixels():
    style = ChannelStatistics(torch.tensor([[10.0]]), torch.tensor([[3.0]]))
    std = math.sqrt(2 + 1e-5)
    expected = row(10 - 3 / std, 10 + 3 / std)
    torch.testing.assert_close(
        swap_statistics(row(1, 3), style), expected, atol=1e-12, rtol=0
    )


def test_swap_gives_the_mean_of_the_style():
    style = random_style(2, 3)
    swapped = swap_statistics(random_values(2, 3, 6, 7), style)
    torch.testing.assert_close(channel_statistics(swapped).mean, style.mean)


def test_swap_gives_the_deviation_of_the_style():
    style = random_style(2, 3)
    swapped = swap_statistics(random_values(2, 3, 6, 7), style)
    torch.testing.assert_close(
        channel_statistics(swapped).std, style.std, atol=1e-4, rtol=0
    )


def test_swap_with_own_statistics_is_identity():
    values = random_values(2, 3, 4, 5)
    torch.testing.assert_close(
        swap_statistics(values, channel_statistics(values)), values
    )


def test_nth_sample_takes_the_style_of_the_nth():
    values, style = random_values(3, 2, 4, 4), random_style(3, 2)
    alone = [
        swap_statistics(
            values[n : n + 1],
            ChannelStatistics(style.mean[n : n + 1], style.std[n : n + 1]),
        )
        for n in range(3)
    ]
    torch.testing.assert_close(
        swap_statistics(values, style), torch.cat(alone)
    )


def test_style_may_come_from_maps_of_another_size():
    style = channel_statistics(random_values(1, 2, 9, 3, seed=3))
    assert swap_statistics(random_values(1, 2, 4, 5), style).shape == (
        (1, 2, 4, 5)
    )


def test_gradient_passes_through_own_statistics():
    """The mean is the style's whatever the values: its gradient is 0."""
    values = random_values(1, 2, 3, 3).requires_grad_()
    swap_statistics(values, random_style(1, 2)).mean().backward()
    assert values.grad.abs().max() < 1e-12


def test_gradient_is_right():
    values = random_values(2, 2, 2, 3).requires_grad_()
    style = random_style(2, 2)
    assert torch.autograd.gradcheck(
        lambda x: swap_statistics(x, style), (values,)
    )


@pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_type_of_the_values_is_kept(dtype):
    values = random_values(1, 2, 3, 3).to(dtype)
    assert swap_statistics(values, random_style(1, 2)).dtype == dtype


def test_constant_values_take_the_mean_of_the_style():
    style = random_style(1, 2)
    swapped = swap_statistics(torch.full((1, 2, 3, 3), 5.0), style)
    expected = style.mean.float()[:, :, None, None].expand(1, 2, 3, 3)
    torch.testing.assert_close(swapped, expected)
