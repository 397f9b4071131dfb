"""DINOv2's and DINOv3's formulas in plain PyTorch, from a state dict."""

import math

import torch
from torch.nn.functional import layer_norm, linear


def features(state, images, heads, version, mask=None, rescale=1.0):
    """Normed tokens after each block: lists of (first tokens, patches)."""
    kernel = state['patch_embed.proj.weight']
    channels, _, side, _ = kernel.shape
    count, _, height, width = images.shape
    h, w = height // side, width // side
    cut = images.reshape(count, 3, h, side, w, side).permute(0, 2, 4, 1, 3, 5)
    cut = cut.reshape(count, h * w, -1)
    patches = linear(cut, kernel.flatten(1), state['patch_embed.proj.bias'])
    if mask is not None:
        patches = torch.stack(
            [
                torch.stack(
                    [
                        state['mask_token'][0] if hidden else token
                        for token, hidden in zip(*pair, strict=True)
                    ]
                )
                for pair in zip(patches, mask, strict=True)
            ]
        )
    first = state['cls_token'][0].expand(count, 1, channels)
    registers = state.get('register_tokens', state.get('storage_tokens'))
    angles = None
    if version == 2:
        table = state['pos_embed'][0]
        patches = patches + positions(table[1:], (h, w), registers is not None)
        first = first + table[0]
    else:
        angles = rotations(h, w, channels // heads, rescale)
    if registers is not None:
        first = torch.cat([first, registers[0].expand(count, -1, -1)], dim=1)
    x = torch.cat([first, patches], dim=1)
    eps = 1e-6 if version == 2 else 1e-5
    depth = 1 + max(
        int(name.split('.')[1]) for name in state if name.startswith('blocks')
    )
    levels = []
    for number in range(depth):
        part = {
            name.split('.', 2)[2]: value
            for name, value in state.items()
            if name.startswith(f'blocks.{number}.')
        }
        x = block(part, x, heads, eps, angles)
        normed = norm(state, 'norm', x, eps)
        levels.append((normed[:, : -h * w], normed[:, -h * w :]))
    return levels


def norm(part, name, x, eps):
    weight, bias = part[f'{name}.weight'], part[f'{name}.bias']
    return layer_norm(x, x.shape[-1:], weight, bias, eps)


def block(part, x, heads, eps, angles):
    channels = x.shape[-1]
    bias = part['attn.qkv.bias'].clone()
    if angles is not None:
        bias[channels : 2 * channels] = 0
    seen = norm(part, 'norm1', x, eps)
    qkv = linear(seen, part['attn.qkv.weight'], bias)
    out = []
    for head in range(heads):
        size = channels // heads
        q, k, v = (
            qkv[..., start + head * size : start + (head + 1) * size]
            for start in (0, channels, 2 * channels)
        )
        if angles is not None:
            q, k = turned(q, angles), turned(k, angles)
        scores = q @ k.transpose(1, 2) / math.sqrt(size)
        out.append(scores.softmax(dim=-1) @ v)
    out = linear(
        torch.cat(out, dim=-1),
        part['attn.proj.weight'],
        part['attn.proj.bias'],
    )
    x = x + part['ls1.gamma'] * out
    seen = norm(part, 'norm2', x, eps)
    hidden = linear(seen, part['mlp.fc1.weight'], part['mlp.fc1.bias'])
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    out = linear(hidden, part['mlp.fc2.weight'], part['mlp.fc2.bias'])
    return x + part['ls2.gamma'] * out


def rotations(h, w, size, rescale):
    """Angles (h * w, size / 2) of the pairs of channels."""
    rows = []
    for y in range(h):
        for x in range(w):
            places = (2 * (y + 0.5) / h - 1, 2 * (x + 0.5) / w - 1)
            rows.append(
                [
                    2 * math.pi * rescale * place / 100 ** (4 * k / size)
                    for place in places
                    for k in range(size // 4)
                ]
            )
    return torch.tensor(rows, dtype=torch.float64)


def turned(values, angles):
    """Rotate the last tokens' pairs (d, d + size / 2) as complex numbers."""
    first, patches = values[:, : -len(angles)], values[:, -len(angles) :]
    left, right = patches.chunk(2, dim=-1)
    pairs = torch.complex(left, right) * torch.polar(
        torch.ones_like(angles), angles
    )
    return torch.cat([first, torch.cat([pairs.real, pairs.imag], -1)], dim=1)


def positions(table, size, antialias):
    """A square table (side ** 2, C) of positions, at another size."""
    side = math.isqrt(len(table))
    if size == (side, side):
        return table
    make = antialiased if antialias else interpolating
    down, across = (make(side, length) for length in size)
    grid = table.reshape(side, side, -1)
    grid = torch.einsum('ya,xb,abc->yxc', down, across, grid)
    return grid.flatten(0, 1)


def cubic(x, a):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * (x**3 - 5 * x**2 + 8 * x - 4)
    return 0.0


def interpolating(old, new):
    """Weights (new, old): four neighbours, scale of a grid 0.1 larger."""
    weights = torch.zeros(new, old, dtype=torch.float64)
    for i in range(new):
        place = (i + 0.5) * old / (new + 0.1) - 0.5
        for j in range(math.floor(place) - 1, math.floor(place) + 3):
            weights[i, min(max(j, 0), old - 1)] += cubic(place - j, -0.75)
    return weights


def antialiased(old, new):
    """Weights (new, old) of a filter as wide as a new cell."""
    weights = torch.zeros(new, old, dtype=torch.float64)
    wide = max(old / new, 1)
    for i in range(new):
        centre = (i + 0.5) * old / new
        for j in range(old):
            if abs(j + 0.5 - centre) < 2 * wide:
                weights[i, j] = cubic((j + 0.5 - centre) / wide, -0.5)
    return weights / weights.sum(dim=1, keepdim=True)
