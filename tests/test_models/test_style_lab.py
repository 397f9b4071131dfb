import cv2
import numpy as np
import pytest
import torch

from mmuda.color.lab import lab_to_rgb, rgb_to_lab, transfer_colors


def random_rgb(n=1, height=20, width=30, low=0, high=256, seed=0):
    """Whole numbers, (N, 3, H, W) float32."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, 3, height, width)
    return torch.randint(low, high, shape, generator=generator).float()


def muted(seed, low, high, **kwargs):
    """An image whose colours are far from the borders of Lab and sRGB."""
    return random_rgb(seed=seed, low=low, high=high, **kwargs)


def to_cv2(images):
    return np.ascontiguousarray(images[0].permute(1, 2, 0).numpy())


def from_cv2(image):
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]


def moments(rgb):
    """Mean and deviation of L, a and b of each image."""
    lab = rgb_to_lab(rgb / 255)
    return lab.mean(dim=(2, 3)), lab.std(dim=(2, 3), correction=0)


@pytest.mark.parametrize(
    ('rgb', 'lab'),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_primary_colors(rgb, lab):
    rgb = torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1)
    expected = torch.tensor(lab, dtype=torch.float32).view(1, 3, 1, 1)
    torch.testing.assert_close(rgb_to_lab(rgb), expected, atol=0.02, rtol=0)


def test_lab_equals_opencv_in_float():
    """OpenCV interpolates a table, hence its distance of half a unit."""
    rgb = random_rgb() / 255
    difference = rgb_to_lab(rgb) - from_cv2(
        cv2.cvtColor(to_cv2(rgb), cv2.COLOR_RGB2LAB)
    )
    assert difference.abs().max() < 0.75
    assert difference.abs().mean() < 0.15


def test_lab_of_grey_equals_opencv_in_float():
    grey = torch.linspace(0, 1, 257).expand(1, 3, 1, 257)
    expected = from_cv2(cv2.cvtColor(to_cv2(grey), cv2.COLOR_RGB2LAB))
    torch.testing.assert_close(rgb_to_lab(grey), expected, atol=0.2, rtol=0)


def test_lab_equals_opencv_in_8_bits_up_to_rounding():
    rgb = random_rgb()
    scale = torch.tensor([2.55, 1, 1]).view(1, 3, 1, 1)
    shift = torch.tensor([0, 128, 128]).view(1, 3, 1, 1)
    ours = (rgb_to_lab(rgb / 255) * scale + shift).round()
    theirs = from_cv2(
        cv2.cvtColor(to_cv2(rgb).astype(np.uint8), cv2.COLOR_RGB2LAB)
    )
    assert (ours - theirs).abs().max() <= 2
    assert (ours - theirs).abs().mean() < 0.15


def test_lab_equals_scikit_image():
    color = pytest.importorskip('skimage.color')
    rgb = random_rgb() / 255
    expected = from_cv2(color.rgb2lab(to_cv2(rgb)))
    torch.testing.assert_close(rgb_to_lab(rgb), expected, atol=0.1, rtol=0)


def test_rgb_equals_opencv_in_float():
    rgb = random_rgb() / 255
    lab = rgb_to_lab(rgb)
    expected = from_cv2(cv2.cvtColor(to_cv2(lab), cv2.COLOR_LAB2RGB))
    torch.testing.assert_close(lab_to_rgb(lab), expected, atol=0.02, rtol=0)


def test_rgb_comes_back_from_lab():
    values = torch.linspace(0, 1, 12)
    rgb = torch.stack(torch.meshgrid(values, values, values, indexing='ij'))
    rgb = rgb.flatten(2)[None]
    torch.testing.assert_close(
        lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=1e-4, rtol=0
    )


def test_rgb_is_clipped():
    lab = torch.tensor([[50.0, 127.0, -128.0], [100, -128, 127]])
    rgb = lab_to_rgb(lab.view(2, 3, 1, 1))
    assert rgb.min() == 0
    assert rgb.max() == 1


def test_transfer_to_itself_is_identity():
    rgb = random_rgb()
    torch.testing.assert_close(
        transfer_colors(rgb, rgb), rgb, atol=0.05, rtol=0
    )


@pytest.mark.parametrize('part', [0, 1])
def test_transfer_gives_mean_and_deviation_of_the_style(part):
    content = muted(0, 100, 150)
    style = muted(1, 90, 140, height=3, width=4)
    style[:, 0] += 20
    result = moments(transfer_colors(content, style))[part]
    torch.testing.assert_close(result, moments(style)[part], atol=0.01, rtol=0)


def test_transfer_keeps_the_size_of_the_content():
    content, style = random_rgb(height=9, width=7), random_rgb(height=4)
    assert transfer_colors(content, style).shape == (1, 3, 9, 7)


def test_nth_image_takes_the_style_of_the_nth():
    content, style = random_rgb(3, seed=1), random_rgb(3, high=90, seed=2)
    alone = [
        transfer_colors(content[n : n + 1], style[n : n + 1]) for n in range(3)
    ]
    torch.testing.assert_close(
        transfer_colors(content, style), torch.cat(alone), atol=1e-3, rtol=0
    )


def test_transfer_equals_that_on_8_bit_lab():
    """Reinhard's formula on whole numbers, as OpenCV converts them."""
    content, style = muted(0, 80, 180), muted(1, 110, 190)
    labs = [
        cv2.cvtColor(to_cv2(x).astype(np.uint8), cv2.COLOR_RGB2LAB).astype(
            float
        )
        for x in (content, style)
    ]
    (mean, std), (new_mean, new_std) = (
        (lab.mean((0, 1)), lab.std((0, 1))) for lab in labs
    )
    lab = ((labs[0] - mean) * new_std / std + new_mean).clip(0, 255)
    expected = cv2.cvtColor(lab.round().astype(np.uint8), cv2.COLOR_LAB2RGB)
    difference = transfer_colors(content, style) - from_cv2(expected)
    assert difference.abs().mean() < 1
    assert difference.abs().max() < 6


def test_lab_is_clipped_to_8_bits_before_conversion():
    content, style = random_rgb(seed=0), muted(1, 0, 256)
    style[:, 1:] *= 0.1  # saturated reds
    content[:, :, 0, 0] = torch.tensor([255.0, 0, 255])
    lab = rgb_to_lab(content / 255)
    (mean, std), (new_mean, new_std) = moments(content), moments(style)
    lab = (lab - mean[..., None, None]) * (new_std / std)[..., None, None]
    lab += new_mean[..., None, None]
    low = torch.tensor([0.0, -128, -128]).view(1, 3, 1, 1)
    high = torch.tensor([100.0, 127, 127]).view(1, 3, 1, 1)
    assert (lab < low).any()
    torch.testing.assert_close(
        transfer_colors(content, style),
        lab_to_rgb(lab.clamp(low, high)) * 255,
        atol=0.05,
        rtol=0,
    )


def test_transfer_stays_in_range():
    content, style = muted(0, 120, 125), random_rgb(seed=1)
    content[:, :, 0, 0] = 255
    content[:, :, 0, 1] = 0
    result = transfer_colors(content, style)
    assert result.min() >= 0
    assert result.max() <= 255


@pytest.mark.parametrize('color', [(90, 30, 200), (0, 0, 0), (128, 128, 128)])
def test_constant_image_takes_the_mean_of_the_style(color):
    content = torch.tensor(color).float().view(1, 3, 1, 1).expand(1, 3, 8, 9)
    style = muted(1, 90, 140)
    lab = rgb_to_lab(transfer_colors(content, style) / 255)
    expected = moments(style)[0][..., None, None].expand_as(lab)
    torch.testing.assert_close(lab, expected, atol=0.02, rtol=0)


def test_constant_style_leaves_a_constant_image():
    style = torch.full((1, 3, 4, 4), 77.0)
    result = transfer_colors(random_rgb(), style)
    torch.testing.assert_close(
        result, torch.full_like(result, 77), atol=0.05, rtol=0
    )


def test_grey_image_gets_no_pattern_of_colors():
    grey = random_rgb()[:, :1].expand(-1, 3, -1, -1)
    lab = rgb_to_lab(transfer_colors(grey, muted(1, 90, 140)) / 255)
    middle = lab[:, :, (lab[0, 0] > 20) & (lab[0, 0] < 80)]
    assert middle[:, 1:].std(dim=2).max() < 0.05


@pytest.mark.parametrize('convert', [rgb_to_lab, lab_to_rgb])
def test_no_gradient_flows_through_conversions(convert):
    assert not convert(random_rgb().requires_grad_()).requires_grad


def test_no_gradient_flows_through_transfer():
    content = random_rgb().requires_grad_()
    assert not transfer_colors(content, random_rgb(seed=1)).requires_grad


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.uint8])
def test_narrow_images_are_handled_in_single_precision(dtype):
    content, style = random_rgb(seed=0), random_rgb(seed=1)
    result = transfer_colors(content.to(dtype), style.to(dtype))
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, transfer_colors(content, style))


def test_autocast_does_not_matter():
    content, style = random_rgb(seed=0), random_rgb(seed=1)
    expected = transfer_colors(content, style)
    with torch.autocast('cpu', torch.bfloat16):
        result = transfer_colors(content, style)
    assert torch.equal(result, expected)
