"""Inputs and weights of the goldens, built as data/goldens/README.md says."""

import math
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDENS = Path(__file__).parent / 'data' / 'goldens'
STAGE_BLOCKS = (1, 1, 1, 1)
NUM_CLASSES = 19
_SOURCE_SIZE = (65, 97)
_TARGET_SIZE = (57, 81)


def load_goldens(name):
    with np.load(GOLDENS / f'{name}.npz') as file:
        arrays = {key: file[key] for key in file.files}
    return {
        # Some are names.
        key: value if value.dtype.kind == 'U' else torch.from_numpy(value)
        for key, value in arrays.items()
    }


def _random_state(key, s):
    return np.random.RandomState((zlib.crc32(key.encode()) + s) % 2**32)


def golden_normal(key, shape, std, s=0):
    return torch.from_numpy(_random_state(key, s).standard_normal(shape) * std)


def source_image(i, s=0):
    return golden_normal(f'source{i}', (1, 3, *_SOURCE_SIZE), 50, s)


def target_image(i, s=0):
    return golden_normal(f'target{i}', (1, 3, *_TARGET_SIZE), 50, s)


def source_label(i, s=0):
    """Label map (1, H, W), int64, 255 where ignored."""
    state = _random_state(f'label{i}', s)
    label = torch.from_numpy(state.randint(0, 20, (1, *_SOURCE_SIZE)))
    return label.where(label != 19, 255)


def network_state_dict(s=0):
    """DeepLab-V2 of one block a stage, names as published, float64."""
    return _fill('net.', _network_shapes(), s)


def discriminator_state_dict(prefix, s=0):
    """Discriminator 'd_main' or 'd_aux', names as published, float64."""
    widths = (NUM_CLASSES, 64, 128, 256, 512, 1)
    shapes = {}
    for i in range(5):
        shapes[f'{2 * i}.weight'] = (widths[i + 1], widths[i], 4, 4)
        shapes[f'{2 * i}.bias'] = (widths[i + 1],)
    return _fill(f'{prefix}.', shapes, s)


def _network_shapes():
    shapes = {}

    def add(conv, norm, out_channels, in_channels, kernel):
        shapes[f'{conv}.weight'] = (out_channels, in_channels, kernel, kernel)
        for kind in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{norm}.{kind}'] = (out_channels,)

    add('conv1', 'bn1', 64, 3, 7)
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        block = f'layer{stage}.0.'
        add(f'{block}conv1', f'{block}bn1', width, inputs, 1)
        add(f'{block}conv2', f'{block}bn2', width, width, 3)
        add(f'{block}conv3', f'{block}bn3', 4 * width, width, 1)
        shortcut = f'{block}downsample.'
        add(f'{shortcut}0', f'{shortcut}1', 4 * width, inputs, 1)
        inputs = 4 * width
    for head, channels in (('layer5', 1024), ('layer6', 2048)):
        for i in range(4):
            conv = f'{head}.conv2d_list.{i}'
            shapes[f'{conv}.weight'] = (NUM_CLASSES, channels, 3, 3)
            shapes[f'{conv}.bias'] = (NUM_CLASSES,)
    return shapes


def _fill(prefix, shapes, s):
    return {
        name: _value(prefix + name, shape, s) for name, shape in shapes.items()
    }


def _value(key, shape, s):
    if key.endswith('running_var'):
        return 1 + 0.1 * golden_normal(key, shape, 1, s).abs()
    if len(shape) == 1:
        value = golden_normal(key, shape, 0.1, s)
        return value + 1 if key.endswith('weight') else value
    return golden_normal(key, shape, math.sqrt(2 / math.prod(shape[1:])), s)


def modern_file(name):
    """File of DACS, DAFormer, HRDA or MIC, of whatever seed."""
    folder = GOLDENS / 'modern'
    (path,) = (*folder.glob(f'{name}_s*.npz'), *folder.glob(f'{name}.npz'))
    return path


def load_modern(name):
    """The arrays of such a file by name, tensors where they hold numbers."""
    return load_goldens(f'modern/{modern_file(name).stem}')
