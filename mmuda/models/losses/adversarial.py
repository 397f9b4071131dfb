# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Losses of a domain discriminator and of the network that fools it."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

SOURCE_LABEL = 0.0
TARGET_LABEL = 1.0
Gan = Literal['vanilla', 'least_squares']


def domain_loss(
    decision: Tensor,
    label: float,
    kind: Gan = 'vanilla',
) -> Tensor:
    """Distance of a discriminator's decision from one domain label.

    Args:
        decision: (N, 1, h, w) raw output of the discriminator.
        label: 0 for source, 1 for target. ADVENT's text has them the other
            way round; the problem is symmetric.
        kind: ``vanilla`` is the binary cross entropy with logits of ADVENT,
            ``least_squares`` the squared distance of LSGAN.

    Returns:
        Scalar, averaged over the map, in float32 or better.
    """
    decision = decision.to(torch.promote_types(decision.dtype, torch.float32))
    wanted = torch.full_like(decision, label)
    if kind == 'vanilla':
        return F.binary_cross_entropy_with_logits(decision, wanted)
    return F.mse_loss(decision, wanted)
