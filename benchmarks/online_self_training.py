# Copyright (c) mmuda authors.
"""Time and memory of online self-training against its bare passes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.config import Config

from benchmarks.measure import (
    Row,
    Tick,
    Times,
    format_bytes,
    paired_times,
    ratio_row,
)
from benchmarks.memory import peak_bytes
from benchmarks.online_self_training_case import HRDA, Pass, SelfTrainingCase

MAX_TIME_RATIO = 1.08
MAX_AUGMENTATION_SHARE = 0.03
MAX_MEMORY_RATIO = 1.10
MAX_RECOMPUTED_RATIO = 0.6
_SECTION = 'online_self_training'
_ITERATION, _BARE = 'iteration', 'passes'
_AUGMENTATION, _UPDATE = 'augmentation', 'update'


class Variant(NamedTuple):
    """What is measured.

    Attributes:
        method: ``DACS``, ``DAFormer`` or ``MIC``.
        hrda: Whether HRDA is around the network of the config.
    """

    method: str
    hrda: bool = False

    @property
    def title(self) -> str:
        """Name in the table."""
        return f'{self.method} on HRDA' if self.hrda else self.method


VARIANTS = (
    Variant('DACS'),
    Variant('DAFormer'),
    Variant('MIC'),
    Variant('MIC', hrda=True),
)


def self_training_rows(
    cfg: Config,
    device: str = 'cpu',
    tick: Tick | None = None,
    **timing: Any,
) -> list[Row]:
    """Iterations over the sum of their bare passes, and peaks over those.

    An iteration is that of the training loop with the step of the optimizer
    and the update of the teacher, which no bare pass has. Parameters,
    gradients and optimizer states count in no peak.

    Args:
        cfg: A training config; see ``SelfTrainingCase``. If its network is
            HRDA, so is that of all methods.
        device: Where to compute.
        tick: Called with a message at each step.
        **timing: As of ``paired_times``.
    """
    rows: list[Row] = []
    is_hrda = cfg.model.segmentor.type == HRDA
    for method, hrda in VARIANTS:
        if hrda and is_hrda:
            continue
        variant = Variant(method, hrda or is_hrda)
        case = SelfTrainingCase(cfg, method, variant.hrda, device)
        tell = _prefixed(tick, variant.title)
        rows += _time_rows(variant, case, tell, timing)
        rows += _memory_rows(variant, case, tell)
    return rows


def _prefixed(tick: Tick | None, title: str) -> Tick | None:
    return tick and (lambda step: tick(f'{title}, {step}'))


def _time_rows(
    variant: Variant,
    case: SelfTrainingCase,
    tick: Tick | None,
    timing: dict[str, Any],
) -> Iterator[Row]:
    passes, title = case.passes(), variant.title
    timed = {_ITERATION: case.step, _AUGMENTATION: case.augment} | passes
    # Behind passes, whose gradients it takes: an iteration begins with none.
    timed[_UPDATE] = case.update
    times: Times = paired_times(timed, device=case.device, tick=tick, **timing)
    rounds = zip(*(times[name] for name in passes), strict=True)
    times[_BARE] = [sum(parts) for parts in rounds]
    names = ' + '.join(passes)
    for name, numerator, divisor, goal in (
        (f'{title} iteration / {names}', _ITERATION, _BARE, MAX_TIME_RATIO),
        (
            f'{title} augmentation / iteration',
            _AUGMENTATION,
            _ITERATION,
            MAX_AUGMENTATION_SHARE,
        ),
        # Bare passes have none. It does not depend on the images' size.
        (
            f'{title} optimizer and teacher / iteration',
            _UPDATE,
            _ITERATION,
            None,
        ),
    ):
        yield ratio_row(_SECTION, name, times, numerator, divisor, goal)


def _memory_rows(
    variant: Variant, case: SelfTrainingCase, tick: Tick | None
) -> Iterator[Row]:
    # Now the optimizer has its states.
    case.step()
    # One pass of the segmentor needs what another one does.
    passes: dict[Pass, str] = {}
    for name, function in case.passes().items():
        passes.setdefault(function, name)
    peaks = {
        name: _peak(case, name, function, tick)
        for function, name in passes.items()
    }
    largest = max(peaks, key=lambda name: peaks[name])
    whole = _peak(case, _ITERATION, case.step, tick)
    yield Row(
        _SECTION,
        f'{variant.title} peak of an iteration / largest pass',
        whole / peaks[largest],
        goal=MAX_MEMORY_RATIO,
        detail=f'{format_bytes(whole)} / {largest} '
        f'{format_bytes(peaks[largest])}',
    )
    if not variant.hrda:
        return
    with case.recomputing():
        recomputed = _peak(case, 'recomputed', case.step, tick)
    yield Row(
        _SECTION,
        f'{variant.title} peak recomputed / kept',
        recomputed / whole,
        goal=MAX_RECOMPUTED_RATIO,
        detail=f'{format_bytes(recomputed)} / {format_bytes(whole)}',
    )


def _peak(
    case: SelfTrainingCase, name: str, function: Pass, tick: Tick | None
) -> int:
    if tick is not None:
        tick(f'peak of {name}')
    case.fill_gradients()
    return peak_bytes(function, case.device)
