# Copyright (c) mmuda authors.
"""What the converters of published multi-target networks share.

All of these networks have the ResNet of ADVENT, with the same names as
mmseg's. Here are its shapes, which follow from the width of its first
convolution, so that a tensor of another network is refused by name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from mmuda.datasets.labels.label_maps import label_set_metainfo
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.version import __version__

from .state_dicts import StateDict, rename_exactly

Shapes = dict[str, tuple[int, ...]]

BACKBONE = 'segmentor.backbone.'
TARGET_HEADS = 'segmentor.target_heads.'

_EXPANSION = 4
# Class sets of the published networks by their number of classes.
_LABEL_SETS = {19: 'cityscapes19', 16: 'synthia16', 7: 'seven_class'}


def resnet_shapes(width: int, stage_blocks: Sequence[int]) -> Shapes:
    """List the tensors of a ResNet of bottleneck blocks.

    Args:
        width: Channels of the stem, 64 as published.
        stage_blocks: Blocks in each stage.

    Returns:
        Shape by name, the same name here and there.
    """
    shapes = {'conv1.weight': (width, 3, 7, 7), **_norm('bn1', width)}
    inputs = width
    for stage, num_blocks in enumerate(stage_blocks):
        planes = width * 2**stage
        for block in range(num_blocks):
            prefix = f'layer{stage + 1}.{block}.'
            shapes |= _bottleneck(prefix, inputs, planes, block == 0)
            inputs = planes * _EXPANSION
    return shapes


def _bottleneck(
    prefix: str, inputs: int, planes: int, shortcut: bool
) -> Shapes:
    outputs = planes * _EXPANSION
    shapes: Shapes = {}
    for i, shape in enumerate(
        [
            (planes, inputs, 1, 1),
            (planes, planes, 3, 3),
            (outputs, planes, 1, 1),
        ],
        start=1,
    ):
        shapes[f'{prefix}conv{i}.weight'] = shape
        shapes |= _norm(f'{prefix}bn{i}', shape[0])
    if shortcut:
        shapes[f'{prefix}downsample.0.weight'] = (outputs, inputs, 1, 1)
        shapes |= _norm(f'{prefix}downsample.1', outputs)
    return shapes


def _norm(name: str, channels: int) -> Shapes:
    kinds = ('weight', 'bias', 'running_mean', 'running_var')
    shapes: Shapes = {f'{name}.{kind}': (channels,) for kind in kinds}
    return {**shapes, f'{name}.num_batches_tracked': ()}


def side(state_dict: Mapping[str, Tensor], name: str, dim: int = 0) -> int:
    """Return the length of a tensor's dimension, 0 if it has none.

    Args:
        state_dict: Tensors by name.
        name: Of the tensor, which may be missing.
        dim: The dimension.
    """
    shape = state_dict[name].shape if name in state_dict else ()
    return shape[dim] if dim < len(shape) else 0


def head_indices(state_dict: Mapping[str, Tensor], list_name: str) -> set[str]:
    """Return the indices of a published list of heads, as in its names.

    Args:
        state_dict: Tensors by published name.
        list_name: Of the list.
    """
    prefix = f'{list_name}.'
    return {
        name.removeprefix(prefix).split('.')[0]
        for name in state_dict
        if name.startswith(prefix)
    }


class Layout(NamedTuple):
    """The tensors of a published network.

    Attributes:
        names: mmuda's name by published name.
        shapes: Shape by published name.
        hint: Last sentence of messages, what network is expected.
    """

    names: dict[str, str]
    shapes: Shapes
    hint: str

    def from_published(
        self, state_dict: Mapping[str, Tensor], path: str
    ) -> StateDict:
        """Rename a published network to mmuda's names.

        Args:
            state_dict: Tensors by published name.
            path: The file, for messages.

        Raises:
            CheckpointError: If names are missing or unknown, or a shape
                differs; it names the first.
        """
        renamed = rename_exactly(state_dict, self.names, path, self.hint)
        _check_shapes(state_dict, self.shapes, path, self.hint)
        return renamed

    def to_published(
        self, state_dict: Mapping[str, Tensor], path: str
    ) -> StateDict:
        """Rename a segmentor of mmuda to the published names.

        Args:
            state_dict: Tensors by mmuda's name; those that do not start with
                ``segmentor.`` are not looked at.
            path: The file, for messages.

        Raises:
            CheckpointError: As of :meth:`from_published`.
        """
        own = {
            name: tensor
            for name, tensor in state_dict.items()
            if name.startswith('segmentor.')
        }
        back = {new: old for old, new in self.names.items()}
        renamed = rename_exactly(own, back, path, self.hint)
        shapes = {self.names[name]: s for name, s in self.shapes.items()}
        _check_shapes(own, shapes, path, self.hint)
        return renamed


def _check_shapes(
    state_dict: Mapping[str, Tensor], shapes: Shapes, path: str, hint: str
) -> None:
    for name, shape in shapes.items():
        # Only a counter may be missing here.
        if name in state_dict and tuple(state_dict[name].shape) != shape:
            raise CheckpointError(
                f'{path}: {name} has the shape '
                f'{tuple(state_dict[name].shape)}, but {shape} would fit the '
                f'rest of the network. {hint}'
            )


def check_targets(
    targets: Sequence[str], required: bool = False
) -> tuple[str, ...]:
    """Return the names of the targets if a segmentor can use them.

    Args:
        targets: In the order of the published list of heads.
        required: Whether there must be any.

    Raises:
        ConfigError: A name is no word or is there twice, or none is given.
    """
    if required and not targets:
        raise ConfigError('targets: none given; name those of the training')
    for target in targets:
        if not target.isidentifier() or list(targets).count(target) > 1:
            raise ConfigError(
                f"targets {list(targets)}: '{target}' must be a word of "
                'letters, digits and underscores and be there once'
            )
    return tuple(targets)


def check_own_targets(
    state_dict: Mapping[str, Tensor], targets: Sequence[str], path: str
) -> None:
    """Compare the target heads of an mmuda checkpoint with the names given.

    Args:
        state_dict: Tensors by mmuda's name.
        targets: In the order of the published list of heads.
        path: The file, for messages.

    Raises:
        CheckpointError: The checkpoint has heads of other targets.
    """
    found = {
        name.removeprefix(TARGET_HEADS).split('.')[0]
        for name in state_dict
        if name.startswith(TARGET_HEADS)
    }
    if found != set(targets):
        raise CheckpointError(
            f'{path} holds heads of the targets {sorted(found)}, not of '
            f'{list(targets)}: name its targets (--targets), in the order '
            'that the published list of heads shall have.'
        )


def meta_of(num_classes: int) -> dict[str, Any]:
    """Make the ``meta`` of a converted checkpoint.

    Args:
        num_classes: Classes of the network; 7, 16 and 19 get their names.
    """
    meta: dict[str, Any] = dict(mmuda_version=__version__)
    if num_classes in _LABEL_SETS:
        meta['dataset_meta'] = label_set_metainfo(_LABEL_SETS[num_classes])
    return meta
