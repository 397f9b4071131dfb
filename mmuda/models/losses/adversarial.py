# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Losses of a domain discriminator and of the network that fools it."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .averaging import mean_of_valid, of_all_processes, valid_at

SOURCE_LABEL = 0.0
TARGET_LABEL = 1.0
Gan = Literal['vanilla', 'least_squares']


def domain_loss(
    decision: Tensor,
    label: float,
    kind: Gan = 'vanilla',
    valid: Tensor | None = None,
) -> Tensor:
    """Distance of a discriminator's decision from one domain label.

    Args:
        decision: (N, 1, h, w) raw output of the discriminator.
        label: 0 for source, 1 for target. ADVENT's text has them the other
            way round; the problem is symmetric.
        kind: ``vanilla`` is the binary cross entropy with logits of ADVENT,
            ``least_squares`` the squared distance of LSGAN.
        valid: (N, H, W) bool at the size of the images, False on padding;
            decisions about padding don't count. None if there is none.

    Returns:
        Scalar, averaged over the map, in float32 or better.
    """
    decision = decision.to(torch.promote_types(decision.dtype, torch.float32))
    wanted = torch.full_like(decision, label)
    distance = F.mse_loss
    if kind == 'vanilla':
        distance = F.binary_cross_entropy_with_logits
    if valid is None:
        return of_all_processes(distance(decision, wanted), decision.numel())
    values = distance(decision, wanted, reduction='none').squeeze(1)
    return mean_of_valid(values, valid_at(valid, values.shape[1:]))
