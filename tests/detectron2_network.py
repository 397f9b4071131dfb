"""detectron2's DeepLabV3+ in plain torch, from a state dict of its names."""

import torch
import torch.nn.functional as F
from published_networks import fill

from mmuda.convert.from_detectron2 import segmentor_layout

BLOCKS = (1, 1, 1, 3)
STEM, WIDTH = 16, 8
OUTPUTS, CHANNELS, PROJECTED = 6, 8, 4
SIZES = (OUTPUTS, CHANNELS, PROJECTED)
# Of the four stages; the last one's dilation of 2 times the grid 1, 2, 4.
STRIDES = (1, 2, 2, 1)
LAST_DILATIONS = (2, 4, 8)


def published():
    """Random tensors by published name."""
    layout = segmentor_layout(BLOCKS, STEM, WIDTH, SIZES)
    return fill(layout.shapes)


def network(state_dict, images, pool=None):
    """Logits at the resolution of the first stage."""
    stages = backbone(state_dict, images, 'backbone.')
    return head(state_dict, stages[0], stages[3], pool)


def backbone(state_dict, x, prefix):
    for i, stride in ((1, 2), (2, 1), (3, 1)):
        x = F.relu(
            _conv(state_dict, f'{prefix}stem.conv{i}', x, stride, padding=1)
        )
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    stages = []
    for stage, (blocks, stride) in enumerate(
        zip(BLOCKS, STRIDES, strict=True)
    ):
        for block in range(blocks):
            x = _block(
                state_dict,
                f'{prefix}res{stage + 2}.{block}.',
                x,
                stride if block == 0 else 1,
                LAST_DILATIONS[block] if stage == 3 else 1,
            )
        stages.append(x)
    return stages


def _block(state_dict, prefix, x, stride, dilation):
    y = F.relu(_conv(state_dict, f'{prefix}conv1', x))
    y = F.relu(
        _conv(state_dict, f'{prefix}conv2', y, stride, dilation, dilation)
    )
    y = _conv(state_dict, f'{prefix}conv3', y)
    if f'{prefix}shortcut.weight' in state_dict:
        x = _conv(state_dict, f'{prefix}shortcut', x, stride)
    return F.relu(y + x)


def _conv(state_dict, name, x, stride=1, padding=0, dilation=1):
    y = F.conv2d(
        x,
        state_dict[f'{name}.weight'],
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    kinds = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(y, *(state_dict[f'{name}.norm.{k}'] for k in kinds))


def head(state_dict, low, high, pool):
    aspp = 'sem_seg_head.decoder.res5.project_conv'
    low_level = 'sem_seg_head.decoder.res2'
    size = high.shape[2:]
    branches = [F.relu(_conv(state_dict, f'{aspp}.convs.0', high))]
    for i, dilation in ((1, 6), (2, 12), (3, 18)):
        y = _conv(state_dict, f'{aspp}.convs.{i}', high, 1, dilation, dilation)
        branches.append(F.relu(y))
    mean = F.avg_pool2d(high, pool or tuple(size), stride=1)
    y = F.relu(_biased(state_dict, f'{aspp}.convs.4.1', mean))
    branches.append(_resize(y, size))
    y = F.relu(_conv(state_dict, f'{aspp}.project', torch.cat(branches, 1)))
    first = F.relu(_conv(state_dict, f'{low_level}.project_conv', low))
    y = torch.cat([first, _resize(y, first.shape[2:])], dim=1)
    for i in (0, 1):
        y = _conv(state_dict, f'{low_level}.fuse_conv.{i}', y, padding=1)
        y = F.relu(y)
    return _biased(state_dict, 'sem_seg_head.predictor', y)


def _biased(state_dict, name, x):
    kinds = ('weight', 'bias')
    return F.conv2d(x, *(state_dict[f'{name}.{kind}'] for kind in kinds))


def _resize(x, size):
    return F.interpolate(x, size, mode='bilinear', align_corners=False)
