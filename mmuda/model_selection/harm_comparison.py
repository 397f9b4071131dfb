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
from mmuda.models.followers import TEACHER
from mmuda.models.trained import stores_network
from mmuda.registry import MODELS
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import without_nan

from .checkpoint_scores import PoolScores, Sampling, score_checkpoints
from .pool_evaluation import Report

_NUMBER = re.compile(r'iter_(\d+)\.pth')
_POOLED = 3


@dataclass(frozen=True)
class HarmComparison:
    """What a comparison found.

    Attributes:
        report: Alarms and reasons.
        scores: Of the adapted checkpoint, the source-only one, the pool and
            the adapted one's other network, in this order.
        disagreement: Share of the target pixels, in [0, 1], where student
            and teacher of the adapted checkpoint see different classes; None
            if it has no teacher, or one of them predicts no numbers.
    """

    report: HarmReport
    scores: PoolScores
    disagreement: float | None = None

    def lines(self) -> list[str]:
        """The report in words."""
        found = self.report.lines()
        if self.disagreement is not None:
            share = f'{100 * self.disagreement:.1f} %'
            found.insert(
                0, f'student and teacher differ on {share} of the target'
            )
        return found

    def content(self) -> dict[str, Any]:
        """For a JSON file."""
        content = dict(
            harms=self.report.harms,
            alarms={a.name: list(a.reasons) for a in self.report.alarms},
            unknown=list(self.report.unknown),
            thresholds=asdict(self.report.thresholds),
            teacher_disagreement=self.disagreement,
            scores=self.scores.content(),
        )
        return without_nan(content)


def compare_with_source_only(
    cfg: Config,
    checkpoint: str,
    source_only: str,
    pool: Sequence[str],
    sampling: Sampling,
    report: Report,
) -> HarmComparison:
    """Look for signs that adaptation has harmed.

    Of a model with a teacher the network is judged that is tested
    (``predict_on``); the other one of the adapted checkpoint is asked as a
    member of the pool. A checkpoint without a teacher, as that of source-only
    may be, is judged by the network that it has.

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
    files, networks = pooled_networks(cfg, [checkpoint, source_only, *pool])
    scores = score_checkpoints(cfg, files, sampling, report, networks)
    evidence = scores.evidence
    last = len(files) - 1
    has_both = last > 1 + len(pool)
    found = harm_report(
        evidence.evidence(0),
        evidence.evidence(1),
        scores.classes,
        thresholds,
        evidence.evidence(2) if pool else None,
        evidence.changed(0, 2) if pool else None,
    )
    return HarmComparison(
        found, scores, evidence.changed(0, last) if has_both else None
    )


def pooled_networks(
    cfg: Config, checkpoints: Sequence[str]
) -> tuple[list[str], dict[int, str]]:
    """Networks of the pool of a harm report.

    Args:
        cfg: Config of the network.
        checkpoints: The adapted one first.

    Returns:
        The checkpoints, once more the first one if it has a student and a
        teacher; and by their number the networks that predict in place of the
        one that is tested.
    """
    model = MODELS.build(cfg.model)
    files = list(checkpoints)
    networks: dict[int, str] = {}
    if getattr(model, 'teacher', None) is None:
        return files, networks
    taught = [
        stores_network(local_checkpoint(file), TEACHER) for file in files
    ]
    tests_teacher = model.predict_on == TEACHER
    if tests_teacher:
        networks = {
            index: model.main
            for index, has_teacher in enumerate(taught)
            if index and not has_teacher
        }
    if taught[0]:
        networks[len(files)] = model.main if tests_teacher else TEACHER
        files.append(files[0])
    return files, networks


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
