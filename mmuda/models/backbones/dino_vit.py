# Copyright (c) mmuda authors.
"""DINOv2's and DINOv3's vision transformers as backbones."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import torch
from mmengine.model import BaseModule
from mmengine.model.weight_init import trunc_normal_
from mmseg.models.utils import resize
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.checkpoint import checkpoint

from mmuda.registry import MODELS
from mmuda.utils.checks import COUNT, POSITIVE, SHARE, WHOLE, one_of
from mmuda.utils.errors import ConfigError

from .dino_blocks import Block, RotaryPositions, Rotation

Arch = Literal['small', 'base', 'large']
Version = Literal[2, 3]
Count = Annotated[int, COUNT]
AfterBlock = Callable[[int, Tensor], Tensor]

# Channels, blocks, heads.
_ARCHS = dict(small=(384, 12, 6), base=(768, 12, 12), large=(1024, 24, 16))
_KEYS = ('embed_dims', 'num_layers', 'num_heads')
_PATCH = {2: 14, 3: 16}
_REGISTERS = {2: 0, 3: 4}
_EPS = {2: 1e-6, 3: 1e-5}


@MODELS.register_module()
class DINOVisionTransformer(BaseModule):
    """ViT-S, B or L of DINOv2 or DINOv3, of images of any size.

    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads the released
    files as they are (``dinov2_vitb14_pretrain.pth``,
    ``dinov2_vitb14_reg4_pretrain.pth`` with ``num_registers=4``,
    ``dinov3_vitb16_pretrain_lvd1689m-*.pth`` with ``version=3``). Larger ones
    have gated perceptrons and are not supported. Images are RGB, normalised
    by ImageNet's mean and deviation.

    Sources: Oquab et al., DINOv2, TMLR 2024; Darcet et al., Vision
    Transformers Need Registers, ICLR 2024; Siméoni et al., DINOv3, 2025.
    VFM-UDA (Englert et al., CVPRW 2024) shows it images 1.1 times as large
    and masks tokens of the student.

    Args:
        arch: ``small``, ``base``, ``large``, or a dict of ``embed_dims``,
            ``num_layers`` and ``num_heads``.
        version: 2 with a position embedding, 3 with a rotary one.
        patch_size: Side of a patch in pixels; by default 14 or 16.
        num_registers: Further tokens; by default 0 or 4.
        pretrain_size: Side of the images that the position embedding of
            DINOv2 was trained for.
        drop_path_rate: Stochastic depth of the last block, rising from 0.
        rope_rescale: Of DINOv3, see ``RotaryPositions``.
        input_scale: Images are resized to this many times their size, each
            side rounded down to a multiple of the patch. At 1 sides that are
            such multiples stay as they are; 1.1 is VFM-UDA's, and
            ``patch_size / 16`` gives features of stride 16.
        out_indices: Blocks whose normed outputs are given; the last one must
            be among them. Negative ones count from the end.
        recompute: Keep no activations of the blocks in the forward pass, but
            compute them again in the backward one.
        init_cfg: As of mmengine's ``BaseModule``.

    Raises:
        ConfigError: A value is none of those above.
    """

    #: Whether ``forward`` can mask tokens.
    masks_tokens = True
    #: (N, h, w) patches that the last pass with a mask has hidden.
    token_mask: Tensor | None = None

    def __init__(
        self,
        arch: Arch | Mapping[str, Count] = 'base',
        version: Version = 2,
        patch_size: Count | None = None,
        num_registers: Annotated[int, WHOLE] | None = None,
        pretrain_size: Count = 518,
        drop_path_rate: float = 0,
        rope_rescale: Annotated[float, POSITIVE] | None = 2,
        input_scale: Annotated[float, POSITIVE] = 1,
        out_indices: int | Sequence[int] = -1,
        recompute: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims, self.num_layers, num_heads = _sizes(arch)
        self.version = one_of((2, 3)).require(version, 'backbone.version')
        self.patch_size = patch_size or _PATCH[version]
        self.input_scale, self.recompute = input_scale, recompute
        self.out_indices = _levels(out_indices, self.num_layers)
        if num_registers is None:
            num_registers = _REGISTERS[version]
        self.num_prefix = 1 + num_registers
        self._add_tokens(num_registers, pretrain_size)
        if version == 3:
            self.rope_embed = RotaryPositions(
                self.embed_dims // num_heads, rescale=rope_rescale
            )
        step = drop_path_rate / max(1, self.num_layers - 1)
        eps, key_bias = _EPS[version], version == 2
        self.blocks = nn.ModuleList(
            Block(self.embed_dims, num_heads, step * i, eps, key_bias)
            for i in range(self.num_layers)
        )
        self.norm = nn.LayerNorm(self.embed_dims, eps)

    def _add_tokens(self, num_registers: int, pretrain_size: int) -> None:
        size, channels = self.patch_size, self.embed_dims
        proj = nn.Conv2d(3, channels, size, stride=size)
        self.patch_embed = nn.Sequential(OrderedDict(proj=proj))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, channels))
        # Trained by what masks tokens; without masks nothing would reach it.
        self.mask_token = nn.Parameter(
            torch.zeros(1, channels), requires_grad=False
        )
        if num_registers:
            registers = torch.zeros(1, num_registers, channels)
            self.register_parameter(
                self._register_name, nn.Parameter(registers)
            )
        if self.version == 2:
            patches = (pretrain_size // size) ** 2
            self.pos_embed = nn.Parameter(
                torch.zeros(1, 1 + patches, channels)
            )

    @property
    def _register_name(self) -> str:
        # As in the files.
        return 'register_tokens' if self.version == 2 else 'storage_tokens'

    def init_weights(self) -> None:
        """Draw weights as DINOv2 does, or apply ``init_cfg`` if given."""
        if not self.is_init and not self.init_cfg:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    trunc_normal_(module.weight, std=0.02)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
            if self.version == 2:
                trunc_normal_(self.pos_embed, std=0.02)
            nn.init.normal_(self.cls_token, std=1e-6)
        super().init_weights()

    def learn_mask_token(self) -> None:
        """Have the mask token trained, before an optimizer is built."""
        self.mask_token.requires_grad_(True)

    def forward(
        self,
        inputs: Tensor,
        mask_ratio: float = 0,
        after_block: AfterBlock | None = None,
    ) -> tuple[Tensor, ...]:
        """Extract features.

        Args:
            inputs: (N, 3, H, W) images.
            mask_ratio: Share of patches that the mask token replaces before
                positions are added.
            after_block: Given a block's number and its tokens (N, P + L, C),
                the first P of no patch, it gives what the next one sees.

        Returns:
            A map (N, C, h, w) for each of ``out_indices``; ``h`` and ``w``
            are the numbers of patches.

        Raises:
            ConfigError: An image is smaller than a patch, or a single one
                that is to be masked, or the ratio is not from 0 to 1.
        """
        images = self.fitted(inputs)
        height, width = (side // self.patch_size for side in images.shape[2:])
        tokens = self._embedded(images, mask_ratio)
        if mask_ratio and self.token_mask is not None:
            self.token_mask = self.token_mask.unflatten(1, (height, width))
        rotation = (
            self.rope_embed(height, width) if self.version == 3 else None
        )
        levels = []
        for number, block in enumerate(self.blocks):
            tokens = self._run(block, tokens, rotation)
            if after_block is not None:
                tokens = after_block(number, tokens)
            if number in self.out_indices:
                patches = self.norm(tokens)[:, self.num_prefix :]
                maps = patches.transpose(1, 2)
                levels.append(maps.unflatten(2, (height, width)).contiguous())
        return tuple(levels)

    def fitted(self, images: Tensor) -> Tensor:
        """Resize images (N, 3, H, W) so that patches cover them."""
        size = fitted_size(
            tuple(images.shape[2:]), self.input_scale, self.patch_size
        )
        if size == tuple(images.shape[2:]):
            return images
        return resize(
            images, size, mode='bilinear', align_corners=False, warning=False
        )

    def draw_uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw a number in [0, 1) for each patch (N, L); low ones are masked.

        By PyTorch's global generator of the CPU, whatever device is used.
        """
        return torch.rand(tuple(shape))

    def _embedded(self, images: Tensor, mask_ratio: float) -> Tensor:
        patches = self.patch_embed(images)
        size = tuple(patches.shape[2:])
        patches = patches.flatten(2).transpose(1, 2)
        cls_token: Tensor = self.cls_token
        if mask_ratio:
            patches = self.masked(patches, mask_ratio)
        elif self.mask_token.requires_grad:
            # DDP wants a gradient for what is trained in each pass.
            cls_token = cls_token + 0 * self.mask_token
        tokens = [cls_token.expand(patches.shape[0], -1, -1), patches]
        if self.version == 2:
            positions = self.positions(size).to(patches.dtype)
            tokens[0] = tokens[0] + positions[:, :1]
            tokens[1] = tokens[1] + positions[:, 1:]
        if self.num_prefix > 1:
            registers = getattr(self, self._register_name)
            tokens.insert(1, registers.expand(patches.shape[0], -1, -1))
        return torch.cat(tokens, dim=1)

    def masked(self, patches: Tensor, ratio: float) -> Tensor:
        """Replace some of the patch tokens (N, L, C) by the mask token.

        Raises:
            ConfigError: There is a single one, or the ratio is no share.
        """
        if not SHARE.fits(ratio):
            raise ConfigError(f'mask_ratio={ratio!r} is no share from 0 to 1')
        if patches.shape[1] == 1:
            raise ConfigError(
                'images of a single patch would be masked as a whole or not '
                'at all; take larger ones, or raise backbone.input_scale'
            )
        mask = self.draw_uniform(patches.shape[:2]).to(patches.device) < ratio
        self.token_mask = mask
        token = self.mask_token.to(patches.dtype)
        return torch.where(mask[:, :, None], token, patches)

    def positions(self, size: tuple[int, int]) -> Tensor:
        """Position embedding (1, 1 + h * w, C) of h x w patches."""
        side = math.isqrt(self.pos_embed.shape[1] - 1)
        if size == (side, side):
            return self.pos_embed
        # Bicubic filters have no kernels of 16 bits everywhere.
        kind = torch.promote_types(self.pos_embed.dtype, torch.float32)
        first, rest = self.pos_embed.to(kind).split([1, side * side], dim=1)
        grid = rest.transpose(1, 2).unflatten(2, (side, side))
        how: dict = dict(size=size, antialias=True)
        if self.num_prefix == 1:
            # Models without registers were released with filters of the scale
            # of a larger grid; those with them, with antialiasing.
            scales = tuple((length + 0.1) / side for length in size)
            how = dict(scale_factor=scales)
        grid = interpolate(grid, mode='bicubic', **how)
        return torch.cat((first, grid.flatten(2).transpose(1, 2)), dim=1)

    def _run(
        self, block: nn.Module, tokens: Tensor, rotation: Rotation | None
    ) -> Tensor:
        if self.recompute and tokens.requires_grad:
            return checkpoint(block, tokens, rotation, use_reentrant=False)
        return block(tokens, rotation)


def fitted_size(
    size: tuple[int, ...], scale: float, patch_size: int
) -> tuple[int, ...]:
    r"""Sides that images are resized to before they are cut into patches.

    :math:`\lfloor s x / p \rfloor p` for a side x, as in VFM-UDA.

    Args:
        size: Height and width of the images.
        scale: Factor s.
        patch_size: Side p of a patch.

    Raises:
        ConfigError: Less than a patch is left of a side.
    """
    # Of floats, as in the published code: 1.1 is no exact number.
    fitted = tuple(
        int(side * scale // patch_size * patch_size) for side in size
    )
    if not min(fitted):
        raise ConfigError(
            f'images of {size[1]}x{size[0]} pixels at input_scale={scale} are '
            f'smaller than a patch of {patch_size}x{patch_size}; take larger '
            'ones, or raise backbone.input_scale'
        )
    return fitted


def _sizes(arch: str | Mapping[str, int]) -> tuple[int, ...]:
    if isinstance(arch, str) and arch in _ARCHS:
        return _ARCHS[arch]
    if isinstance(arch, Mapping) and sorted(arch) == sorted(_KEYS):
        return tuple(arch[key] for key in _KEYS)
    raise ConfigError(
        f'backbone.arch={arch!r} is none of {list(_ARCHS)}, nor a dict of '
        f"{', '.join(_KEYS)}; DINO's larger models have gated perceptrons "
        'and are not supported'
    )


def _levels(indices: int | Sequence[int], depth: int) -> tuple[int, ...]:
    given = (indices,) if isinstance(indices, int) else tuple(indices)
    levels = tuple(i + depth if i < 0 else i for i in given)
    if list(levels) != sorted({*levels} & {*range(depth)}) or (
        depth - 1 not in levels
    ):
        raise ConfigError(
            f'backbone.out_indices={given} must be ascending numbers of the '
            f'{depth} blocks and end with the last one, {depth - 1}: blocks '
            'behind it would train on nothing'
        )
    return levels
