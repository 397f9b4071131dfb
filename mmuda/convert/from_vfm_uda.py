# Copyright (c) mmuda authors.
"""Names of the published VFM-UDA checkpoints and of mmuda's.

The network of VFM-UDA (Englert et al., CVPRW 2024) is a transformer of DINOv2
with a light head; a checkpoint of its training also has the teacher.

How sure the names are: they were read in the definition of the network and of
its training (tue-mps/vfm-uda); no published file was looked at.
"""

from collections.abc import Mapping

from torch import Tensor

from mmuda.utils.errors import CheckpointError

from .from_dino import dino_layout
from .published import Layout, Shapes, side
from .state_dicts import StateDict

# Published and mmuda's prefix of both networks.
_NETWORKS = {'network.': 'segmentor.', 'network_ema.': 'teacher.'}
_ENCODER = 'encoder.'
# The encoder's mask token once more, under a module that masks.
_AGAIN = 'token_masking.mask_token'
_HINT = 'Expected is VFM-UDA: a ViT-S, B or L of DINOv2 with the light head.'


def is_vfm_uda(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether tensors have the published names."""
    return any(name.startswith('network.encoder.') for name in state_dict)


def vfm_uda_layout(state_dict: Mapping[str, Tensor]) -> Layout:
    """List the tensors of the networks that a checkpoint should have.

    Args:
        state_dict: Its tensors by published name.
    """
    names: dict[str, str] = {}
    shapes: Shapes = {}
    for published, own in _NETWORKS.items():
        part = {
            name.removeprefix(published): value
            for name, value in state_dict.items()
            if name.startswith(published)
        }
        if not part and own == 'teacher.':
            continue
        for layout in (_encoder(part), _head(part)):
            for name, new in layout.names.items():
                names[published + name] = own + new
                shapes[published + name] = layout.shapes[name]
    return Layout(names, shapes, _HINT)


def _encoder(part: Mapping[str, Tensor]) -> Layout:
    encoder = {
        name.removeprefix(_ENCODER): value
        for name, value in part.items()
        if name.startswith(_ENCODER)
    }
    names, shapes, hint = dino_layout(encoder)
    return Layout(
        {_ENCODER + name: f'backbone.{name}' for name in names},
        {_ENCODER + name: shape for name, shape in shapes.items()},
        hint,
    )


def _head(part: Mapping[str, Tensor]) -> Layout:
    channels = side(part, f'{_ENCODER}cls_token', 2)
    half, quarter = channels // 2, channels // 4
    classes = side(part, 'out.weight')
    shapes: Shapes = {
        'upscale.0.weight': (channels, half, 2, 2),
        'upscale.3.weight': (half, quarter, 2, 2),
        'upscale.5.weight': (quarter, quarter, 3, 3),
        'out.weight': (classes, quarter, 1, 1),
    }
    for number, width in ((1, half), (4, quarter), (6, quarter)):
        for kind in ('weight', 'bias'):
            shapes[f'upscale.{number}.{kind}'] = (width,)
    names = {name: f'decode_head.{name}' for name in shapes}
    names['out.weight'] = 'decode_head.conv_seg.weight'
    return Layout(names, shapes, _HINT)


def segmentor_from_published(
    state_dict: Mapping[str, Tensor], path: str = 'the checkpoint'
) -> StateDict:
    """Rename a published checkpoint to mmuda's names.

    Args:
        state_dict: Tensors by published name, of the network and, if there
            is one, its teacher.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, a shape differs, or
            one network has two mask tokens that differ.
    """
    named = dict(state_dict)
    for prefix in _NETWORKS:
        again = named.pop(prefix + _AGAIN, None)
        token = named.get(f'{prefix}{_ENCODER}mask_token')
        if again is None or token is None:
            continue
        if not again.equal(token):
            raise CheckpointError(
                f'{path}: {prefix}{_AGAIN} is not the mask token of the '
                f'encoder. {_HINT}'
            )
    return vfm_uda_layout(named).from_published(named, path)


def segmentor_to_published(
    state_dict: Mapping[str, Tensor], path: str = 'the checkpoint'
) -> StateDict:
    """Rename the networks of an mmuda checkpoint to the published names.

    Args:
        state_dict: Tensors by mmuda's name. Those that are neither the
            segmentor's nor the teacher's are not looked at.
        path: The file, for messages.

    Raises:
        CheckpointError: If the networks are others.
    """
    named: StateDict = {}
    for published, own in _NETWORKS.items():
        for name, value in state_dict.items():
            if name.startswith(own):
                rest = name.removeprefix(own)
                rest = rest.replace('backbone.', _ENCODER, 1)
                rest = rest.replace('decode_head.conv_seg.', 'out.', 1)
                rest = rest.removeprefix('decode_head.')
                named[published + rest] = value
    # What fits the published names is exact in this direction, too.
    vfm_uda_layout(named).from_published(named, path)
    for prefix in _NETWORKS:
        token = named.get(f'{prefix}{_ENCODER}mask_token')
        if token is not None:
            named[prefix + _AGAIN] = token
    return named
