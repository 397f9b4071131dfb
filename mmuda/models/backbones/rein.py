# Copyright (c) mmuda authors.
"""Rein: a frozen transformer, and few tokens that refine its features.

Written from Wei et al., Stronger, Fewer, & Superior: Harnessing Vision
Foundation Models for Domain Generalized Semantic Segmentation, CVPR 2024.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from mmengine.model import BaseModule, initialize
from torch import Tensor, nn

from mmuda.registry import MODELS
from mmuda.utils.checks import POSITIVE, WHOLE, whole_number
from mmuda.utils.errors import CheckpointError, ConfigError

from .dino_vit import DINOVisionTransformer

Tokens = Annotated[int, whole_number(2)]
Rank = Annotated[int, WHOLE]


class ReinTokens(BaseModule):
    r"""Tokens of each block, and what they add to its features.

    For features :math:`f` (L, C) of patches and tokens :math:`T` (m, C)

    .. math::
        A &= \mathrm{softmax}(f T^\top / \sqrt C) \\
        f' &= f + s W_f(A_{2..m} W_t(T_{2..m}) + f)

    The first token takes attention without giving anything. :math:`W_t` and
    :math:`W_f` are layers that all blocks share.

    Args:
        channels: Channels C of the features.
        num_layers: Number of blocks.
        num_tokens: Tokens m of each block.
        rank: Tokens are products of matrices of this rank; 0 learns them
            directly.
        scale: Initial value of the learned factor s.
        query_channels: Channels of :meth:`queries`; 0 for a head that has
            none.
    """

    def __init__(
        self,
        channels: int,
        num_layers: int,
        num_tokens: int = 100,
        rank: int = 16,
        scale: float = 0.001,
        query_channels: int = 0,
    ) -> None:
        super().__init__()
        self.rank, self.query_channels = rank, query_channels
        if rank:
            self.learnable_tokens_a = nn.Parameter(
                torch.zeros(num_layers, num_tokens, rank)
            )
            self.learnable_tokens_b = nn.Parameter(
                torch.zeros(num_layers, rank, channels)
            )
        else:
            self.learnable_tokens = nn.Parameter(
                torch.zeros(num_layers, num_tokens, channels)
            )
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.mlp_token2feat = nn.Linear(channels, channels)
        self.mlp_delta_f = nn.Linear(channels, channels)
        if query_channels:
            self.transform = nn.Linear(channels, query_channels)
            self.merge = nn.Linear(3 * query_channels, query_channels)

    def init_weights(self) -> None:
        """Draw tokens that are about as large as a product of rank 16."""
        if not self.is_init:
            for value in self.parameters(recurse=False):
                if value.dim() == 3:
                    # N times (rows, columns), each as one layer's weights.
                    for matrix in value:
                        nn.init.xavier_uniform_(matrix)
        super().init_weights()

    def tokens(self) -> Tensor:
        """All tokens, (layers, m, C)."""
        if self.rank:
            return self.learnable_tokens_a @ self.learnable_tokens_b
        return self.learnable_tokens

    def forward(self, layer: int, patches: Tensor) -> Tensor:
        """Refine the features of a block.

        Args:
            layer: Its number.
            patches: (N, L, C).

        Returns:
            Of the same form.
        """
        tokens = self.tokens()[layer]
        scores = patches @ tokens.T / math.sqrt(tokens.shape[1])
        attention = scores.softmax(dim=-1)[..., 1:]
        given = attention @ self.mlp_token2feat(tokens[1:])
        return patches + self.scale * self.mlp_delta_f(given + patches)

    def queries(self) -> Tensor:
        """Queries (m, Q) of a head that is linked to the tokens.

        Largest value, mean and last of all layers, interleaved by channel.

        Raises:
            ConfigError: ``query_channels`` is 0.
        """
        if not self.query_channels:
            raise ConfigError(
                'a head that asks for the queries of Rein needs '
                'backbone.query_channels, the channels that they shall have'
            )
        layers = self.transform(self.tokens())
        parts = (layers.amax(dim=0), layers.mean(dim=0), layers[-1])
        return self.merge(torch.stack(parts, dim=-1).flatten(-2))


@MODELS.register_module()
class ReinBackbone(BaseModule):
    """A frozen transformer whose features learned tokens refine.

    Only the tokens are trained, and only they are in checkpoints if the
    transformer comes from a file (``vit.init_cfg``): it is read again then,
    also to test or to resume, and must be the same one. A teacher has tokens
    of its own, and shares the transformer.

    Args:
        vit: Config of a ``DINOVisionTransformer``.
        num_tokens: As of :class:`ReinTokens`, and so are the next three.
        rank: Rein's own configuration has 16.
        scale: Initial factor of what is added.
        query_channels: For a head of your own that asks for
            ``backbone.reins.queries()`` in each pass.
        init_cfg: As of mmengine's ``BaseModule``.

    Attributes:
        out_channels: Channels of the features.

    Raises:
        ConfigError: ``vit`` is no ``DINOVisionTransformer``.
    """

    #: See ``DINOVisionTransformer``.
    masks_tokens = True

    def __init__(
        self,
        vit: dict,
        num_tokens: Tokens = 100,
        rank: Rank = 16,
        scale: Annotated[float, POSITIVE] = 0.001,
        query_channels: Annotated[int, WHOLE] = 0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.vit: DINOVisionTransformer = MODELS.build(vit)
        if not isinstance(self.vit, DINOVisionTransformer):
            raise ConfigError(
                f'backbone.vit is a {type(self.vit).__name__}, but '
                'ReinBackbone refines a DINOVisionTransformer'
            )
        self.vit.requires_grad_(False).eval()
        self.reins = ReinTokens(
            self.vit.embed_dims,
            self.vit.num_layers,
            num_tokens,
            rank,
            scale,
            query_channels,
        )
        # A follower's copy loses its own.
        self.file = _pretrained(vit.get('init_cfg'))
        self.file_is_read = False
        if self.file is not None:
            self.register_buffer('vit_checksum', torch.tensor(0))
            self._register_state_dict_hook(_forget_frozen)

    @property
    def frozen_parts(self) -> tuple[nn.Module, ...]:
        """What nothing trains, and a teacher shares."""
        return (self.vit,)

    def init_weights(self) -> None:
        """Initialise the tokens; read the transformer's file."""
        super().init_weights()
        if self.file is not None and not self.file_is_read:
            self._has_been_read()

    def _has_been_read(self) -> None:
        self.file_is_read = True
        self.vit_checksum.fill_(checksum(self.vit))

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: Any
    ) -> None:
        if self.file is None:
            super()._load_from_state_dict(state_dict, prefix, *args)
            return
        if not self.file_is_read:
            initialize(self.vit, self.file)
            self._has_been_read()
        own = int(self.vit_checksum)
        if int(state_dict.get(f'{prefix}vit_checksum', own)) != own:
            raise CheckpointError(
                'the checkpoint was trained on another transformer than '
                f'{self.file["checkpoint"]}; name its file in '
                'backbone.vit.init_cfg.checkpoint'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
        # Before children are loaded, but after checks of what is stored.
        for name, value in self.vit.state_dict().items():
            state_dict[f'{prefix}vit.{name}'] = value

    def train(self, mode: bool = True) -> 'ReinBackbone':
        """Set the mode of the tokens; the transformer's is always eval."""
        super().train(mode)
        self.vit.eval()
        return self

    @property
    def token_mask(self) -> Tensor | None:
        """Of the transformer."""
        return self.vit.token_mask

    def learn_mask_token(self) -> None:
        """Nothing: the mask token is frozen like the others."""

    def forward(
        self, inputs: Tensor, mask_ratio: float = 0
    ) -> tuple[Tensor, ...]:
        """Extract features; see ``DINOVisionTransformer``."""
        return self.vit(inputs, mask_ratio, self._refine)

    def _refine(self, layer: int, tokens: Tensor) -> Tensor:
        first, patches = tokens.tensor_split([self.vit.num_prefix], dim=1)
        return torch.cat((first, self.reins(layer, patches)), dim=1)


def checksum(module: nn.Module) -> int:
    """Number of a module's weights that those of no other module have.

    Args:
        module: Its parameters alone count.
    """
    total = 0
    for parameter in module.parameters():
        values = parameter.detach().float().contiguous().cpu().numpy()
        total = zlib.crc32(values.tobytes(), total)
    return total


def _pretrained(init_cfg: Any) -> Mapping[str, Any] | None:
    cfgs = [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg or ()
    return next((c for c in cfgs if c.get('type') == 'Pretrained'), None)


def _forget_frozen(
    module: nn.Module, state_dict: dict, prefix: str, *_: Any
) -> None:
    """Leave the transformer out of a state, in place."""
    start = f'{prefix}vit.'
    for key in [key for key in state_dict if key.startswith(start)]:
        del state_dict[key]
