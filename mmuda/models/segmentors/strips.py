# Copyright (c) mmuda authors.
"""Maps of all classes at the size of an image, some columns at a time.

At the size of a photo of 4000x3000 the logits of 19 classes take 0.9 GB, while
the network gives 100x fewer of them. What is wanted of a pixel, its class and
its entropy, is found strip by strip, without ever holding them all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from mmseg.models.utils import resize
from torch import Tensor

# Values of a strip at most: 8 MB, which stay in the cache of a processor, and
# 128 MB on a GPU, which is fast with much to do at a time.
_CPU_VALUES, _GPU_VALUES = 2**21, 2**25


def _unknown() -> Tensor | None:
    return None


@dataclass(frozen=True)
class Strips:
    """Maps (N, C, H, W) whose columns are made when they are asked for.

    Attributes:
        shape: N, C, H and W.
        columns: Gives (N, C, H, w) from a first to before a last column.
        device: Where they lie.
        coarse: Gives the maps (N, C, h, w) that they are resized from; None
            if there are none of one size.
    """

    shape: tuple[int, int, int, int]
    columns: Callable[[int, int], Tensor]
    device: torch.device
    coarse: Callable[[], Tensor | None] = _unknown

    def parts(
        self, limit: int | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield columns from left to right, and their values.

        Args:
            limit: Values of a strip at most, but at least one column; None
                for what suits the device.
        """
        count, classes, height, width = self.shape
        if limit is None:
            on_cpu = self.device.type == 'cpu'
            limit = _CPU_VALUES if on_cpu else _GPU_VALUES
        step = max(1, limit // (count * classes * height))
        # Of one width: a narrow rest would be resized by another kernel.
        number = -(-width // step)
        edges = [part * width // number for part in range(number + 1)]
        for first, last in zip(edges, edges[1:], strict=False):
            yield slice(first, last), self.columns(first, last)

    def whole(self) -> Tensor:
        """All columns, (N, C, H, W)."""
        return self.columns(0, self.shape[3])

    def then(self, function: Callable[[Tensor], Tensor]) -> 'Strips':
        """Strips with a function applied to them.

        Args:
            function: Of each pixel on its own, to the same shape.
        """

        def coarse() -> Tensor | None:
            maps = self.coarse()
            return None if maps is None else function(maps)

        return replace(
            self,
            columns=lambda first, last: function(self.columns(first, last)),
            coarse=coarse,
        )

    def cropped(
        self, left: int, right: int, top: int, bottom: int
    ) -> 'Strips':
        """Strips without some columns and rows at the sides.

        Args:
            left: Columns to cut off.
            right: Columns to cut off.
            top: Rows to cut off.
            bottom: Rows to cut off.
        """
        count, classes, height, width = self.shape
        rows = slice(top, height - bottom)
        return Strips(
            (count, classes, height - top - bottom, width - left - right),
            lambda first, last: self.columns(left + first, left + last)[
                :, :, rows
            ],
            self.device,
        )


def upsampled(
    maps: Tensor, size: tuple[int, int], align_corners: bool
) -> Strips:
    """Strips of maps that are resized bilinearly.

    They are, to the bit, columns of what ``resize`` makes of contiguous maps:
    PyTorch interpolates within a row first and then between rows, which is
    done here in two calls, the second of them for some columns only.

    Args:
        maps: (N, C, h, w), at least in single precision.
        size: Height H and width W.
        align_corners: Of the interpolation.
    """
    count, classes, *given = maps.shape
    height, width = size
    shape = count, classes, height, width
    if (height, width) == tuple(given):
        return Strips(
            shape,
            lambda first, last: maps[..., first:last],
            maps.device,
            lambda: maps,
        )
    # Channels that lie side by side would be resized in another order.
    resized = _Resized(maps.contiguous(), size, align_corners)
    return Strips(shape, resized.columns, maps.device, lambda: maps)


class _Resized:
    """Columns of resized maps; rows are resized once."""

    def __init__(
        self, maps: Tensor, size: tuple[int, int], align_corners: bool
    ) -> None:
        self.maps, self.size = maps, size
        self.align_corners = align_corners

    def columns(self, first: int, last: int) -> Tensor:
        height, width = self.size
        if (first, last) == (0, width):
            return self._to_size(self.maps, height, width)
        if self.maps.shape[3] != width:
            # In their place, so that those given may be freed.
            self.maps = self._to_size(self.maps, self.maps.shape[2], width)
        columns = self.maps[..., first:last].contiguous()
        return self._to_size(columns, height, last - first)

    def _to_size(self, maps: Tensor, height: int, width: int) -> Tensor:
        return resize(
            maps,
            size=(height, width),
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )


def combined(
    parts: Sequence[Strips], function: Callable[[list[Tensor]], Tensor]
) -> Strips:
    """Strips made of the same columns of several.

    Args:
        parts: All of one shape.
        function: From their values to values of the same shape.

    Raises:
        ValueError: The shapes differ.
    """
    (shape,) = {part.shape for part in parts}

    def coarse() -> Tensor | None:
        maps = [
            found for part in parts if (found := part.coarse()) is not None
        ]
        alike = len({found.shape for found in maps}) == 1
        return function(maps) if alike and len(maps) == len(parts) else None

    return Strips(
        shape,
        lambda first, last: function(
            [part.columns(first, last) for part in parts]
        ),
        parts[0].device,
        coarse,
    )


def weighted_sum(parts: Sequence[Strips], weights: Sequence[float]) -> Strips:
    """Strips that are sums.

    Args:
        parts: All of one shape.
        weights: Factor of each.
    """

    def add(values: list[Tensor]) -> Tensor:
        first, *others = (
            weight * value
            for weight, value in zip(weights, values, strict=True)
        )
        return sum(others, start=first)

    return combined(parts, add)
