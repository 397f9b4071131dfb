# Copyright (c) mmuda authors.
"""Peak memory of iterations for several targets against those for one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from benchmarks.measure import Row, Tick, format_bytes
from benchmarks.memory import peak_bytes
from benchmarks.several_targets_case import SeveralTargetsCase
from benchmarks.several_targets_config import METHODS, SEVERAL_VIEWS

# Beyond what heads and gradients add.
MAX_GROWTH = 1.05
_SECTION = 'several_targets_memory'
# The least that a discriminator takes.
_TINY = (32, 32)
Shapes = dict[torch.Size, list[torch.Size]]


class Peak(NamedTuple):
    """Bytes that an iteration needs.

    Attributes:
        whole: At its peak.
        heads: At the peak of an iteration whose backbones compute nothing:
            heads, discriminators, colours and losses.
        views: What views that share a backward pass add to the backbone's:
            the sum of their gradients, which is not yet the parameters' own,
            and for each further view images, those that they are made of,
            features and the gradients of these.
    """

    whole: int
    heads: int
    views: int


def several_targets_memory_rows(
    cfg: Config,
    numbers: Sequence[int],
    device: str = 'cpu',
    width: float = 1.0,
    methods: Sequence[str] = METHODS,
    tick: Tick | None = None,
) -> list[Row]:
    """Peak of an iteration over that of one target, by number of targets.

    Parameters, gradients and optimizer states of all heads, experts and
    discriminators exist before and count nowhere. The goal is that a peak
    grows by what heads need alone, without the backbones' activations. There
    is none where CoaST and MLCL keep the activations of all views.

    Args:
        cfg: A training config; see ``SeveralTargetsCase``.
        numbers: Numbers of targets.
        device: Where to compute.
        width: Multiplies the network's channels.
        methods: What to measure.
        tick: Called with a message at each step.
    """
    rows: list[Row] = []
    for method in methods:
        one: dict[bool, Peak] = {}
        for number in sorted({1, *numbers}):
            case = SeveralTargetsCase(cfg, method, number, device, width)
            found = _peaks(case, tick)
            one = one or found
            if number > 1:
                rows += [
                    _row(method, number, recompute, peak, one[recompute])
                    for recompute, peak in found.items()
                ]
    return rows


def _row(
    method: str, number: int, recompute: bool, peak: Peak, one: Peak
) -> Row:
    """Row of a number of targets."""
    heads, goal = peak.heads - one.heads, None
    if recompute:
        # What heads hold is free before activations are made again.
        allowed = max(one.whole + peak.views, peak.heads)
        goal = MAX_GROWTH * allowed / one.whole
    elif method not in SEVERAL_VIEWS:
        goal = MAX_GROWTH + heads / one.whole
    how = ', features recomputed' if recompute else ''
    parts = [
        f'{format_bytes(peak.whole)} / {format_bytes(one.whole)}',
        f'heads alone +{format_bytes(heads)}',
    ]
    if recompute:
        parts.append(f'views +{format_bytes(peak.views)}')
    return Row(
        _SECTION,
        f'{method}, {number} targets{how} / 1 target',
        peak.whole / one.whole,
        goal=goal,
        detail=', '.join(parts),
    )


def _peaks(case: SeveralTargetsCase, tick: Tick | None) -> dict[bool, Peak]:
    """Peaks without and, where there is a choice, with recomputing."""
    several, found = case.method in SEVERAL_VIEWS, {}
    for recompute in (False, True) if several else (False,):
        if tick is not None:
            how = ', recomputed' if recompute else ''
            tick(f'peak of {case.title}{how}')
        with backbones_of_zeros(case) as shapes:
            heads = _peak_of_step(case, recompute)
        whole = _peak_of_step(case, recompute)
        views = _views_bytes(case, shapes) if several else 0
        found[recompute] = Peak(whole, heads, views)
    return found


def _views_bytes(case: SeveralTargetsCase, shapes: Shapes) -> int:
    """``Peak.views`` of a method that needs a view for each target."""
    further = len(case.targets) - 1
    if not further:
        return 0
    trained = [
        parameter
        for parameter in case.model.segmentor.backbone.parameters()
        if parameter.requires_grad
    ]
    numbers = max(
        images.numel() + sum(level.numel() for level in levels)
        for images, levels in shapes.items()
    )
    each = 2 * numbers * torch.get_default_dtype().itemsize
    return sum(parameter.nbytes for parameter in trained) + further * each


def _peak_of_step(case: SeveralTargetsCase, recompute: bool) -> int:
    """Peak of an iteration that is not the first."""
    if case.method == 'CoaST':
        case.model.style_memory.set_extra_state(torch.empty(0))
    # States of optimizers and styles do not depend on the size of images.
    case.use_images(dict.fromkeys(case.sizes, _TINY))
    case.step()
    case.use_images(case.sizes)
    case.fill_gradients()
    return peak_bytes(partial(case.step, recompute), case.device)


@contextmanager
def backbones_of_zeros(case: SeveralTargetsCase) -> Iterator[Shapes]:
    """Let backbones give features of zeros inside the block.

    Args:
        case: Its network gets features of the shapes that they would have.

    Yields:
        Shapes of the features by that of the images.
    """
    segmentors = [m for m in case.model.modules() if hasattr(m, 'backbone')]
    backbones = [segmentor.backbone for segmentor in segmentors]
    shapes: Shapes = {}
    for sizes in (dict.fromkeys(case.sizes, _TINY), case.sizes):
        case.use_images(sizes)
        for images in case.images.values():
            with torch.no_grad():
                features = backbones[0](images)
            shapes[images.shape] = [level.shape for level in features]
    layers = getattr(segmentors[0], 'style_layers', ())
    for segmentor in segmentors:
        segmentor.backbone = _Zeros(shapes, layers)
    try:
        yield shapes
    finally:
        for segmentor, backbone in zip(segmentors, backbones, strict=True):
            segmentor.backbone = backbone


class _Zeros(nn.Module):
    """A backbone that computes nothing.

    Args:
        shapes: Of the features, by that of the images.
        layers: Names of submodules that a segmentor looks for.
    """

    def __init__(self, shapes: Shapes, layers: Sequence[str]) -> None:
        super().__init__()
        self.shapes = shapes
        for name in layers:
            self.add_module(name, nn.Identity())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            images.new_zeros(shape, requires_grad=True)
            for shape in self.shapes[images.shape]
        )
