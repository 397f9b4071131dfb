# Copyright (c) mmuda authors.
"""Names of the published checkpoints of DAFormer, HRDA and MIC.

All three codes save the whole method: ``model`` (the student), ``ema_model``
(its teacher) and, with the feature distance, ``imnet_model`` (the frozen
ImageNet network, of which the encoder is used). A network is a MiT or a
ResNet-V1c under the DAFormer head or the head of DeepLab-V2; HRDA has two
heads, ``decode_head.head`` and ``decode_head.scale_attention``.

Where MIC rides on a method that has no teacher, or with an option beside that
of one that has, it brings its own, as ``mic.teacher.ema_model``.

How sure the names are: the numbers of the published code that the tests
compare with are stored by them; no published file was looked at.
"""

from collections.abc import Mapping

from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.text import join_some

from .daformer_networks import (
    BACKBONE,
    HINT,
    checked_names,
    own_anatomy,
    part_of,
    published_anatomy,
)
from .from_segformer import (
    with_convolutions,
    with_joined_attention,
    with_linear_layers,
    with_split_attention,
)
from .state_dicts import StateDict, rename_exactly

STUDENT, TEACHER, IMAGENET = 'segmentor.', 'teacher.', 'imagenet.'
MASKED_TEACHER = 'masked_teacher.'
#: Our part by published part; MIC's teacher is ours where it is the only one.
PARTS = {
    'model.': STUDENT,
    'ema_model.': TEACHER,
    'mic.teacher.ema_model.': MASKED_TEACHER,
    'imnet_model.backbone.': IMAGENET,
}


def tensors_from_published(tensors: Mapping[str, Tensor]) -> StateDict:
    """Rename some of a network's tensors, such as gradients, to our names.

    Args:
        tensors: By published name, ``backbone.*`` and ``decode_head.*``;
            others keep their names.
    """
    names = published_anatomy(tensors).names()
    joined = with_joined_attention(tensors)
    return _as_own({names.get(k, k): v for k, v in joined.items()})


def tensors_to_published(tensors: Mapping[str, Tensor]) -> StateDict:
    """Undo :func:`tensors_from_published`.

    Args:
        tensors: By our name, without that of the part.
    """
    names = own_anatomy(tensors).names()
    back = {new: old for old, new in names.items()}
    plain = _as_published(tensors)
    return with_split_attention({back.get(k, k): v for k, v in plain.items()})


def network_from_published(
    state_dict: Mapping[str, Tensor], path: str = 'the network'
) -> StateDict:
    """Rename a published network to our names.

    Args:
        state_dict: Tensors by published name.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    own = tensors_from_published(state_dict)
    names = checked_names(own, published_anatomy(state_dict), path)
    given = with_joined_attention(state_dict)
    return _as_own(rename_exactly(given, names, path, HINT))


def network_to_published(
    state_dict: Mapping[str, Tensor], path: str = 'the network'
) -> StateDict:
    """Rename a network of ours to the published names.

    Args:
        state_dict: Tensors by our name, without that of the part.
        path: The file, for messages.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape differs.
    """
    names = checked_names(state_dict, own_anatomy(state_dict), path)
    back = {new: old for old, new in names.items()}
    plain = _as_published(state_dict)
    return with_split_attention(rename_exactly(plain, back, path, HINT))


def method_from_published(
    state_dict: Mapping[str, Tensor], path: str = 'the checkpoint'
) -> StateDict:
    """Rename a published checkpoint to our names.

    Args:
        state_dict: Tensors by published name, of a method or, without a
            part's name before them, of a network alone.
        path: The file, for messages.

    Returns:
        ``segmentor.*``, and ``teacher.*``, ``masked_teacher.*`` (MIC's own
        beside it) and ``imagenet.*`` (the encoder) if they are there.

    Raises:
        CheckpointError: If a network's names are missing or unknown, or a
            shape differs.
    """
    parts = _parts(state_dict, PARTS)
    if TEACHER not in parts and MASKED_TEACHER in parts:
        parts[TEACHER] = parts.pop(MASKED_TEACHER)
    if not parts:
        parts = {STUDENT: dict(state_dict)}
    converted: StateDict = {}
    for own, tensors in parts.items():
        renamed = (
            _encoder(tensors, path)
            if own == IMAGENET
            else network_from_published(tensors, path)
        )
        converted |= {own + name: v for name, v in renamed.items()}
    return converted


def method_to_published(
    state_dict: Mapping[str, Tensor], path: str = 'the checkpoint'
) -> StateDict:
    """Rename the student and the teachers of our checkpoint.

    Args:
        state_dict: Tensors by our name; those of further parts are left out.
        path: The file, for messages.

    Raises:
        CheckpointError: If a network's names are missing or unknown, or a
            shape differs.
    """
    back = {
        own: published for published, own in PARTS.items() if own != IMAGENET
    }
    parts = _parts(state_dict, back)
    if 'model.' not in parts:
        raise CheckpointError(
            f'{path} holds no tensor {STUDENT}*: pass a checkpoint written '
            'by the training of a method.'
        )
    return {
        prefix + name: tensor
        for prefix, tensors in parts.items()
        for name, tensor in network_to_published(tensors, path).items()
    }


def imagenet_of(
    state_dict: Mapping[str, Tensor], path: str = 'the checkpoint'
) -> StateDict | None:
    """Take the ImageNet encoder out of a published checkpoint.

    Args:
        state_dict: Tensors by published name, of a method.
        path: The file, for messages.

    Returns:
        By the names of our backbone; None if there is none.

    Raises:
        CheckpointError: A name is unknown.
    """
    tensors = part_of(state_dict, 'imnet_model.backbone.')
    return _encoder(tensors, path) if tensors else None


def left_out(state_dict: Mapping[str, Tensor]) -> list[str]:
    """Name the parts of a published checkpoint that are not converted.

    Args:
        state_dict: Tensors by published name, of a method.
    """
    known = (*PARTS, 'imnet_model.', BACKBONE, 'decode_head.')
    return sorted(
        {n.split('.')[0] for n in state_dict if not n.startswith(known)}
    )


def _parts(
    state_dict: Mapping[str, Tensor], prefixes: Mapping[str, str]
) -> dict[str, StateDict]:
    """Tensors of each part, without its name."""
    return {
        new: found
        for old, new in prefixes.items()
        if (found := part_of(state_dict, old))
    }


def _encoder(tensors: Mapping[str, Tensor], path: str) -> StateDict:
    renamed = tensors_from_published(
        {BACKBONE + name: tensor for name, tensor in tensors.items()}
    )
    names = own_anatomy(renamed).names().values()
    if unknown := [name for name in renamed if name not in names]:
        raise CheckpointError(
            f'{path}: unknown in imnet_model: {join_some(unknown)}. {HINT}'
        )
    return {name.removeprefix(BACKBONE): t for name, t in renamed.items()}


def _as_own(tensors: Mapping[str, Tensor]) -> StateDict:
    """Make 1x1 convolutions of linear layers."""
    return {
        name: values[:, :, None, None]
        if '.embed_layers.' in name and values.ndim == 2
        else values
        for name, values in with_convolutions(tensors).items()
    }


def _as_published(tensors: Mapping[str, Tensor]) -> StateDict:
    """Undo :func:`_as_own`."""
    return {
        name: values.flatten(1)
        if '.embed_layers.' in name and values.ndim > 2
        else values
        for name, values in with_linear_layers(tensors).items()
    }
