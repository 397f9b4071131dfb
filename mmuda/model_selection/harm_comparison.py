# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""An adapted checkpoint beside the source-only one."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuda.evaluation.harm_alarms import (
    HarmReport,
    HarmThresholds,
    harm_report,
)
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError

from .checkpoint_scores import PoolScores, Sampling, score_checkpoints
from .pool_evaluation import Report

_NUMBER = re.compile(r'iter_(\d+)\.pth')
_POOLED = 3


@dataclass(frozen=True)
class HarmComparison:
    """What a comparison found.

    Attributes:
        report: Alarms and reasons.
        scores: Of the adapted checkpoint, the source-only one and the pool,
            in this order.
    """

    report: HarmReport
    scores: PoolScores

    def content(self) -> dict[str, Any]:
        """For a JSON file."""
        return dict(
            harms=self.report.harms,
            alarms={a.name: list(a.reasons) for a in self.report.alarms},
            unknown=list(self.report.unknown),
            thresholds=asdict(self.report.thresholds),
            scores=self.scores.content(),
        )


def compare_with_source_only(
    cfg: Config,
    checkpoint: str,
    source_only: str,
    pool: Sequence[str],
    sampling: Sampling,
    report: Report,
) -> HarmComparison:
    """Look for signs that adaptation has harmed.

    Args:
        cfg: Config of the network; ``harm_report`` may hold thresholds.
        checkpoint: Of the adapted network.
        source_only: Of the same network, trained on the source alone.
        pool: Further checkpoints whose mean is asked, the first an earlier
            one of the adapted network.
        sampling: On which images.
        report: Called with the part of the work, images done and all images.

    Raises:
        ConfigError: A threshold is unknown or wrong, or as of
            :func:`score_checkpoints`.
    """
    thresholds = thresholds_of(cfg)
    files = [checkpoint, source_only, *pool]
    scores = score_checkpoints(cfg, files, sampling, report)
    evidence = scores.evidence
    found = harm_report(
        evidence.evidence(0),
        evidence.evidence(1),
        scores.classes,
        thresholds,
        evidence.evidence(2) if pool else None,
        evidence.changed(0, 2) if pool else None,
    )
    return HarmComparison(found, scores)


def thresholds_of(cfg: Config) -> HarmThresholds:
    """Thresholds of a config, ``harm_report=dict(entropy_drop=0.5)``.

    Raises:
        ConfigError: One is unknown or wrong.
    """
    given = dict(cfg.get('harm_report') or {})
    known = list(HarmThresholds.__dataclass_fields__)
    for name in given:
        if name not in known:
            raise ConfigError(
                f"harm_report: there is no '{name}'"
                f'{did_you_mean(name, known)}; there are {", ".join(known)}'
            )
    return HarmThresholds(**given)


def earlier_checkpoints(checkpoint: str, count: int = _POOLED) -> list[str]:
    """The last checkpoints of the same run before one.

    Args:
        checkpoint: ``iter_<n>.pth`` among others of its run.
        count: How many at most.

    Returns:
        The newest first; none for a file of another name.
    """
    path = Path(checkpoint)
    match = _NUMBER.fullmatch(path.name)
    if match is None:
        return []
    before = {
        int(other[1]): str(file)
        for file in path.parent.glob('iter_*.pth')
        if (other := _NUMBER.fullmatch(file.name))
        and int(other[1]) < int(match[1])
    }
    return [before[number] for number in sorted(before, reverse=True)][:count]
