"""Networks of the published multi-target code, written out in plain torch.

They compute from a state dict by published name, as small as one likes.
"""

import torch
import torch.nn.functional as F

WIDTH = 8
BLOCKS = (1, 1, 1, 1)
NUM_CLASSES = 7
STRIDES = (1, 2, 1, 1)
DILATIONS = (1, 1, 2, 4)


def fill(shapes, seed=0):
    """Random tensors of the given shapes; variances are positive."""
    generator = torch.Generator().manual_seed(seed)
    state_dict = {}
    for name, shape in shapes.items():
        if name.endswith('num_batches_tracked'):
            state_dict[name] = torch.tensor(len(state_dict))
            continue
        values = torch.randn(shape, generator=generator)
        if name.endswith('running_var'):
            values = values.abs() + 0.5
        elif len(shape) == 4:
            values /= (shape[1] * shape[2] * shape[3]) ** 0.5
        state_dict[name] = values
    return state_dict


def image(size=(49, 65)):
    return torch.randn((2, 3, *size), generator=torch.manual_seed(7))


def resnet(state_dict, x):
    """Maps of all four stages."""
    x = F.conv2d(x, state_dict['conv1.weight'], stride=2, padding=3)
    x = F.relu(_norm(state_dict, 'bn1', x))
    x = F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
    stages = []
    for stage, (stride, dilation) in enumerate(
        zip(STRIDES, DILATIONS, strict=True), start=1
    ):
        x = _bottleneck(state_dict, f'layer{stage}.0.', x, stride, dilation)
        stages.append(x)
    return stages


def _bottleneck(state_dict, prefix, x, stride, dilation):
    def weight(name):
        return state_dict[f'{prefix}{name}.weight']

    y = F.conv2d(x, weight('conv1'), stride=stride)
    y = F.relu(_norm(state_dict, f'{prefix}bn1', y))
    y = F.conv2d(y, weight('conv2'), padding=dilation, dilation=dilation)
    y = F.relu(_norm(state_dict, f'{prefix}bn2', y))
    y = _norm(state_dict, f'{prefix}bn3', F.conv2d(y, weight('conv3')))
    x = F.conv2d(x, weight('downsample.0'), stride=stride)
    return F.relu(y + _norm(state_dict, f'{prefix}downsample.1', x))


def _norm(state_dict, prefix, x):
    kinds = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(x, *(state_dict[f'{prefix}.{kind}'] for kind in kinds))


def linear_aspp(state_dict, prefix, x):
    """Head of DeepLab-V2."""
    return sum(
        F.conv2d(
            x,
            state_dict[f'{prefix}.conv2d_list.{i}.weight'],
            state_dict[f'{prefix}.conv2d_list.{i}.bias'],
            padding=dilation,
            dilation=dilation,
        )
        for i, dilation in enumerate((6, 12, 18, 24))
    )


def aspp_se(state_dict, prefix, x):
    """Head of ProDA; dropout does nothing when testing."""

    def tensors(name):
        return [state_dict[f'{prefix}.{name}.{k}'] for k in ('weight', 'bias')]

    branches = []
    for i, dilation in enumerate((0, 6, 12, 18, 24)):
        y = F.conv2d(
            x,
            *tensors(f'conv2d_list.{i}.0'),
            padding=dilation,
            dilation=max(dilation, 1),
        )
        branches.append(
            F.relu(F.group_norm(y, 32, *tensors(f'conv2d_list.{i}.1')))
        )
    y = torch.cat(branches, dim=1)
    gate = F.relu(F.linear(y.mean((2, 3)), *tensors('bottleneck.0.se.0')))
    gate = F.linear(gate, *tensors('bottleneck.0.se.2')).sigmoid()
    y = F.conv2d(
        y * gate[:, :, None, None], *tensors('bottleneck.1'), padding=1
    )
    y = F.group_norm(y, 32, *tensors('bottleneck.2'))
    return F.conv2d(y, state_dict[f'{prefix}.head.1.weight'])
