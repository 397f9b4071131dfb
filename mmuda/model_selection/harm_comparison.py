# Copyright (c) mmuda authors.
"""An adapted checkpoint beside the source-only one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmengine.config import Config

from mmuda.evaluation.harm_alarms import (
    HarmReport,
    HarmThresholds,
    harm_report,
)
from mmuda.utils.checkpoint_configs import config_of_checkpoint
from mmuda.utils.compat import load_checkpoint_meta
from mmuda.utils.config_data import target_images
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.json_files import without_nan
from mmuda.utils.text import join_some

from .checkpoint_scores import PoolScores, score_members
from .member_configs import identity, members_of
from .pool_evaluation import Report
from .pool_members import last_before, of_same_run, with_other_network
from .selection_data import Sampling

ONE_RUN = 'agreement with other trainings, as none of them is in the pool'


@dataclass(frozen=True)
class HarmComparison:
    """What a comparison found.

    Attributes:
        report: Alarms and reasons.
        scores: Of the adapted checkpoint, the source-only one, the pool and
            the adapted one's other network, in this order.
        voters: Names of those whose mean softmax all are compared with.
        disagreement: Share of the target pixels, in [0, 1], where student
            and teacher of the adapted checkpoint see different classes; None
            if it has no teacher, or one of them predicts no numbers.
        earlier: Name of the checkpoint that tells whether labels still
            change; None without one.
    """

    report: HarmReport
    scores: PoolScores
    voters: tuple[str, ...]
    disagreement: float | None = None
    earlier: str | None = None

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
            pool=list(self.voters),
            teacher_disagreement=self.disagreement,
            earlier=self.earlier,
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
    configs: Mapping[str, Config] | None = None,
) -> HarmComparison:
    """Look for signs that adaptation has harmed.

    Of a model with a teacher the network is judged that is tested
    (``predict_on``); a checkpoint without a teacher, as that of source-only
    may be, is judged by the network that it has.

    All are compared with the mean softmax of some: of the two and of the
    checkpoints of other runs. Where there is none of these, it is that of
    all, with earlier checkpoints of the two and the adapted one's other
    network (student or teacher), which agree with them whatever they are
    worth.

    Networks may differ, and the size at which they see the images. They are
    compared at the resolution of the adapted one's output; numbers of one
    network are of its own resolution.

    Args:
        cfg: Config of the adapted network, whose images all see;
            ``harm_report`` may hold thresholds.
        checkpoint: Of the adapted network.
        source_only: Trained on the source alone.
        pool: Further checkpoints, of other runs or of that of the adapted
            network (:func:`of_same_run`), of which the last one before it
            says whether labels still change. The two may be among them.
        sampling: On which images.
        report: Called with the part of the work, images done and all images.
        configs: Other configs by checkpoint, as of :func:`members_of`.

    Raises:
        ConfigError: A threshold is unknown or wrong, both are one file, or
            as of :func:`members_of`.
        CheckpointError: A checkpoint fits no config.
    """
    thresholds = thresholds_of(cfg)
    files = _each_once(checkpoint, source_only, pool)
    # What is judged is the network of the config.
    named = {checkpoint: cfg, **(configs or {})}
    found, notes = members_of(cfg, files, named, sampling.domain)
    notes += _adapted(source_only)
    members = with_other_network(found)
    others = _of_other_runs(files)
    voters = [0, 1, *others] if others else [*range(len(members))]
    members = [
        replace(member, votes=number in voters)
        for number, member in enumerate(members)
    ]
    scores = score_members(members, sampling, report, notes)
    before = last_before(checkpoint, files)
    number = None if before is None else files.index(before)
    alarms = _alarms(scores, thresholds, number)
    if not any(scores.evidence.states[n]['pixels'] for n in others):
        alarms = replace(alarms, unknown=(*alarms.unknown, ONE_RUN))
    return HarmComparison(
        alarms,
        scores,
        tuple(scores.names[number] for number in voters),
        # What follows the pool is the other network.
        scores.evidence.changed(0, len(files))
        if len(members) > len(files)
        else None,
        None if number is None else scores.names[number],
    )


def _of_other_runs(files: Sequence[str]) -> list[int]:
    """Numbers of those that are of neither of the first two's runs."""
    return [
        number
        for number, file in enumerate(files)
        if not any(of_same_run(file, own) for own in files[:2])
    ]


def _each_once(
    checkpoint: str, source_only: str, pool: Sequence[str]
) -> list[str]:
    """All files, none of which votes twice, or says that labels are stable."""
    if identity(checkpoint) == identity(source_only):
        raise ConfigError(
            f'{source_only} is the checkpoint that is judged; name one that '
            'was trained on the source alone, such as iter_<n>.pth of a '
            'SourceOnly training'
        )
    found: dict[str, str] = {}
    for file in (checkpoint, source_only, *pool):
        found.setdefault(identity(file), file)
    return [*found.values()]


def is_source_only(checkpoint: str) -> bool:
    """Whether a checkpoint tells that it was trained on the source alone.

    Args:
        checkpoint: Of any training.

    Returns:
        False also of one that tells nothing, or has no SourceOnly training:
        nobody knows what others are.
    """
    try:
        cfg = config_of_checkpoint(checkpoint)
    except CheckpointError:
        return False
    steps = int(cfg.model.get('warmup_iters') or 0)
    iteration = load_checkpoint_meta(checkpoint).get('iter', 0)
    of_source = str(cfg.model.get('type')).endswith('SourceOnly')
    return of_source or 0 < iteration <= steps


def _adapted(source_only: str) -> list[str]:
    """A note if a checkpoint tells that its training has seen targets."""
    try:
        cfg = config_of_checkpoint(source_only)
    except CheckpointError:
        return []
    targets = target_images(cfg)
    if not targets or is_source_only(source_only):
        return []
    method = str(cfg.model.get('type'))
    return [
        f'{source_only} is no source-only checkpoint: {method} has adapted it '
        f'to {join_some(list(targets))}, by the config that it holds; what '
        'follows compares with that'
    ]


def _alarms(
    scores: PoolScores, thresholds: HarmThresholds, before: int | None
) -> HarmReport:
    """Alarms of the first network beside the second and an earlier one."""
    evidence = scores.evidence
    return harm_report(
        evidence.evidence(0),
        evidence.evidence(1),
        scores.classes,
        thresholds,
        None if before is None else evidence.evidence(before),
        None if before is None else evidence.changed(0, before),
    )


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
