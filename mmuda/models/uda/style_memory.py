# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The styles of the last batch of each target."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather, get_rank
from torch import Tensor, nn

from mmuda.models.segmentors.feature_styles import Style
from mmuda.models.style import ChannelStatistics
from mmuda.utils.errors import CheckpointError


class StyleMemory(nn.Module):
    """Remembers the channel statistics of each target's last batch.

    All processes remember all samples, so a checkpoint that one of them
    writes is complete, and sample n of a batch meets sample n of another
    target's whatever the number of processes.

    Args:
        targets: Names of the targets.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__()
        self.targets = tuple(targets)
        # (N, 2 x channels of all statistics) of all processes, by target.
        self._rows: dict[str, Tensor] = {}
        self._sizes: list[int] = []

    def keep(self, target: str, style: Style) -> None:
        """Remember the style of a batch.

        Args:
            target: Whose images they are.
            style: Statistics of each layer, (n, C) means and deviations of
                the samples of this process.
        """
        self._sizes = _sizes_of(style)
        self._rows[target] = _rows_of(style)

    def keep_features(self, target: str, style: Style) -> None:
        """Remember other features of a target, but its images as they were.

        Nothing happens before a batch of the target itself was remembered.

        Args:
            target: Which target.
            style: Statistics of each layer but the first, the images.
        """
        if target not in self._rows:
            return
        features, known = _rows_of(style), self._rows[target]
        images = known.shape[1] - features.shape[1]
        # Batches of another size, as in recall.
        places = torch.arange(len(features)) % len(known)
        self._sizes = [images // 2, *_sizes_of(style)]
        self._rows[target] = torch.cat(
            [known[places, :images].to(features), features], dim=1
        )

    def recall(self, target: str, count: int, device: torch.device) -> Style:
        """Styles for the samples of this process.

        Args:
            target: Whose style is wanted.
            count: Number of samples.
            device: Where it is needed.

        Returns:
            Statistics of each layer, (count, C); empty if nothing is
            remembered yet.
        """
        if target not in self._rows or not self._sizes:
            return ()
        rows = self._rows[target].to(device)
        first = get_rank() * count
        # Batches of another size, after a change of the config.
        places = torch.arange(first, first + count, device=device) % len(rows)
        widths = [size for size in self._sizes for _ in range(2)]
        parts = rows[places].split(widths, dim=1)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(ChannelStatistics(mean, std) for mean, std in pairs)

    def get_extra_state(self) -> Tensor:
        """All rows as one (T, N, D) tensor, NaN where there are none."""
        if not self._rows:
            return torch.empty(0)
        # Batches of the targets may be of unlike sizes.
        largest = max(self._rows.values(), key=len)
        size = (len(self.targets), *largest.shape)
        state = largest.new_full(size, torch.nan)
        for place, target in zip(state, self.targets, strict=True):
            rows = self._rows.get(target, largest[:0])
            place[: len(rows)] = rows
        return state

    def set_extra_state(self, state: Tensor) -> None:
        """Continue with what a checkpoint remembers.

        Args:
            state: What :meth:`get_extra_state` gave.

        Raises:
            CheckpointError: It is of another number of targets.
        """
        self._rows = {}
        if not state.numel():
            return
        if len(state) != len(self.targets):
            raise CheckpointError(
                f'the checkpoint remembers the styles of {len(state)} '
                f'targets, model.targets are {list(self.targets)}; use the '
                'config that it was trained with'
            )
        for target, rows in zip(self.targets, state, strict=True):
            # One that overflowed under AMP is continued as it is: images are
            # numbers.
            known = rows[~rows.isnan().all(dim=1)]
            if len(known):
                self._rows[target] = known.clone()


def _sizes_of(style: Style) -> list[int]:
    return [part.mean.shape[1] for part in style]


def _rows_of(style: Style) -> Tensor:
    """All statistics of each sample of all processes, one row each."""
    row = torch.cat([v for part in style for v in part], dim=1).detach()
    return torch.cat(all_gather(row.contiguous()))
