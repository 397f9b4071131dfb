"""EfficientNet-Lite0 as its published files name it, in plain torch."""

import torch
import torch.nn.functional as F

# Blocks, kernel, stride, channels and expansion of a stage (EfficientNet-B0).
TABLE = (
    (1, 3, 1, 16, 1),
    (2, 3, 2, 24, 6),
    (2, 5, 2, 40, 6),
    (3, 3, 2, 80, 6),
    (3, 5, 1, 112, 6),
    (4, 5, 2, 192, 6),
    (1, 3, 1, 320, 6),
)


def published_tensors(seed=0):
    """All 296 tensors of a file, random, so that no map fades or grows."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}

    def conv(name, outputs, inputs, side):
        shape = (outputs, inputs, side, side)
        weight = torch.randn(shape, generator=generator)
        tensors[f'{name}.weight'] = weight * (2 / weight[0].numel()) ** 0.5

    def norm(name, channels):
        tensors[f'{name}.weight'] = torch.ones(channels)
        tensors[f'{name}.bias'] = torch.zeros(channels)
        for part in ('weight', 'bias'):
            noise = torch.randn(channels, generator=generator)
            tensors[f'{name}.{part}'] += 0.1 * noise
        noise = torch.randn(channels, generator=generator)
        tensors[f'{name}.running_mean'] = 0.1 * noise
        noise = torch.rand(channels, generator=generator)
        tensors[f'{name}.running_var'] = 0.5 + noise
        tensors[f'{name}.num_batches_tracked'] = torch.tensor(7)

    conv('_conv_stem', 32, 3, 3)
    norm('_bn0', 32)
    inputs, number = 32, 0
    for count, side, _, outputs, expansion in TABLE:
        for _ in range(count):
            name, wide = f'_blocks.{number}', inputs * expansion
            if expansion > 1:
                conv(f'{name}._expand_conv', wide, inputs, 1)
                norm(f'{name}._bn0', wide)
            conv(f'{name}._depthwise_conv', wide, 1, side)
            norm(f'{name}._bn1', wide)
            conv(f'{name}._project_conv', outputs, wide, 1)
            norm(f'{name}._bn2', outputs)
            inputs, number = outputs, number + 1
    conv('_conv_head', 1280, 320, 1)
    norm('_bn1', 1280)
    weight = torch.randn(1000, 1280, generator=generator)
    tensors |= {'_fc.weight': 0.03 * weight, '_fc.bias': torch.zeros(1000)}
    return tensors


def convolve(maps, tensors, name, stride=1, depthwise=False):
    """Pad as TensorFlow's 'SAME': what is odd lies at the lower right."""
    weight = tensors[f'{name}.weight']
    side = weight.shape[-1]
    padding = []
    for length in (maps.shape[3], maps.shape[2]):
        needed = (-(-length // stride) - 1) * stride + side - length
        needed = max(needed, 0)
        padding += [needed // 2, needed - needed // 2]
    groups = maps.shape[1] if depthwise else 1
    return F.conv2d(F.pad(maps, padding), weight, None, stride, groups=groups)


def normalise(maps, tensors, name):
    """Batch norm by its stored statistics."""
    return F.batch_norm(
        maps,
        tensors[f'{name}.running_mean'],
        tensors[f'{name}.running_var'],
        tensors[f'{name}.weight'],
        tensors[f'{name}.bias'],
        eps=1e-3,
    )


def stage_maps(tensors, images):
    """Maps after each of the seven stages."""
    maps = convolve(images, tensors, '_conv_stem', 2)
    maps = F.relu6(normalise(maps, tensors, '_bn0'))
    found, number = [], 0
    for count, _, stride, _, expansion in TABLE:
        for index in range(count):
            name, before = f'_blocks.{number}', maps
            if expansion > 1:
                maps = convolve(maps, tensors, f'{name}._expand_conv')
                maps = F.relu6(normalise(maps, tensors, f'{name}._bn0'))
            maps = convolve(
                maps,
                tensors,
                f'{name}._depthwise_conv',
                1 if index else stride,
                depthwise=True,
            )
            maps = F.relu6(normalise(maps, tensors, f'{name}._bn1'))
            maps = convolve(maps, tensors, f'{name}._project_conv')
            maps = normalise(maps, tensors, f'{name}._bn2')
            maps = maps + before if index else maps
            number += 1
        found.append(maps)
    return found


def classify(tensors, maps):
    """Logits of ImageNet's classes, of the maps of the last stage."""
    maps = convolve(maps, tensors, '_conv_head')
    maps = F.relu6(normalise(maps, tensors, '_bn1'))
    return F.linear(
        maps.mean((2, 3)), tensors['_fc.weight'], tensors['_fc.bias']
    )
