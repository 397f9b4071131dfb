"""Numbers of the published DAFormer line, and networks of their size."""

import golden_inputs
import torch

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
NUM_CLASSES = 19
WIDTHS = (4, 8, 12, 16)

MIT = dict(
    type='mmuda.MiT',
    embed_dims=4,
    num_layers=[1, 1, 1, 1],
    num_heads=[1, 2, 3, 4],
    sr_ratios=[8, 4, 2, 1],
    mlp_ratio=4,
    qkv_bias=True,
    drop_path_rate=0.0,
)


load = golden_inputs.load_modern


def starting_with(arrays, prefix):
    """Arrays whose names start with something, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def normalised(images):
    """Images (N, 3, H, W) uint8, RGB, as networks get them."""
    mean, std = (
        torch.tensor(values, dtype=torch.float64).view(3, 1, 1)
        for values in (MEAN, STD)
    )
    return (images.double() - mean) / std


def assert_golden(actual, expected, relative=1e-9):
    """Equal to a share of the largest number."""
    scale = float(expected.abs().max())
    torch.testing.assert_close(
        actual.double(),
        expected.double(),
        rtol=relative,
        atol=relative * scale,
    )
