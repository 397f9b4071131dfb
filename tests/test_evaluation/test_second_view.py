"""Another view of an image, and its way back."""

import pytest
import torch
from torch import nn

from mmuda.evaluation.second_view import (
    has_second_view,
    predict_second_view,
    second_view,
    view_side,
    without_padding,
)


class Brightest(nn.Module):
    """A network that tells the brightest channel, at half the size."""

    def __init__(self, pad=0):
        super().__init__()
        self.pad = pad

    def data_preprocessor(self, batch, training):
        inputs = torch.stack(batch['inputs'])
        padding = (0, self.pad, 0, self.pad)
        return dict(
            inputs=nn.functional.pad(inputs, padding),
            data_samples=batch['data_samples'],
        )

    def forward(self, inputs):
        return nn.functional.avg_pool2d(inputs, 2)


def picture():
    """Red on the left, green on the right, blue below."""
    image = torch.zeros(3, 64, 96, dtype=torch.uint8)
    image[0, :, :32] = 200
    image[1, :, 32:] = 200
    image[:, 48:] = 0
    image[2, 48:] = 200
    return image


@pytest.mark.parametrize('pad', [0, 16])
@pytest.mark.parametrize('size', [(64, 96), (16, 24)])
def test_the_view_is_brought_back(size, pad):
    found = predict_second_view(Brightest(pad), picture(), size)
    expected = picture().argmax(0)[:: 64 // size[0], :: 96 // size[1]]
    assert (found == expected).float().mean() > 0.95


@pytest.mark.parametrize(
    ('side', 'expected'),
    [(512, 384), (128, 96), (518, 392), (150, 112), (1, 1)],
)
def test_sides(side, expected):
    assert view_side(side) == expected


def test_the_view_is_paler():
    view = second_view(picture())
    assert view.shape == (3, 64, 64)
    assert view.min() > 0
    assert view.max() < 200
    # mirrored: red is on the right
    assert view[:, 10, 60].argmax() == 0
    assert view[:, 10, 5].argmax() == 1


def test_the_view_keeps_the_units_of_the_image():
    """Of four channels of 16 bits, and of fractions, as of bytes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, 32, 48), generator=generator)
    pixels[0, 0, 0] = 255
    view = second_view(pixels.to(torch.uint8))
    assert view.std() > 20
    for factor in (257, 1 / 255):
        found = second_view(pixels.float() * factor)
        torch.testing.assert_close(found, view * factor)
    # what is no pixel goes from its least to its largest value
    low = pixels.float() - 400
    assert -400 <= second_view(low).min() < second_view(low).max() <= -145
    dark = torch.zeros(3, 32, 48, dtype=torch.uint8)
    assert (second_view(dark) == 16).all()


def test_one_in_so_many():
    keys = [f'town/{number}' for number in range(2000)]
    assert sum(has_second_view(key, 8) for key in keys) == pytest.approx(
        250, abs=60
    )
    assert all(has_second_view(key, 1) for key in keys)
    assert not any(has_second_view(key, 0) for key in keys)


def test_padding_is_cut_off():
    image = torch.arange(24).view(1, 4, 6)
    found = without_padding(image, dict(padding_size=(1, 2, 0, 1)))
    assert found.tolist() == [[[1, 2, 3], [7, 8, 9], [13, 14, 15]]]
    assert torch.equal(without_padding(image, {}), image)
