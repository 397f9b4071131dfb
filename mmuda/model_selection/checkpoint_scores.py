# Copyright (c) mmuda authors.
"""All label-free scores of a pool of checkpoints."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from rich.table import Table
from torch import Tensor

from mmuda.evaluation.accuracy_estimates import (
    difference_of_confidences,
    estimate_accuracy,
)
from mmuda.evaluation.label_free_scores import (
    agreement,
    class_ratio,
    label_free_scores,
    mean_iou,
)
from mmuda.utils.json_files import without_nan
from mmuda.utils.mixed_precision import Precision

from .member_configs import members_of
from .pool_evaluation import EvaluatedPool, Report, evaluate_pool
from .pool_evidence import PoolEvidence
from .pool_members import Member, only_networks
from .score_ranks import best_first, fused_weights, mean_ranks, passes_guard
from .selection_data import Sampling

NO_SOURCE = (
    'the config has no labelled source: source_mIoU, ATC_mIoU, DoC and IM_s '
    'are left out, and nothing guards against forgetting'
)
UNLABELLED_SOURCE = (
    'no pixel of the source images is labelled: source_mIoU, ATC_mIoU, DoC '
    'and IM_s are left out, and nothing guards against forgetting'
)
NO_TEACHER = (
    'the config tests a teacher, which these have not; their only network is '
    'judged: '
)
SEEN_SOURCE = (
    'the source images are those of training, which is kind to source_mIoU '
    'and ATC; name held-out ones by source_val, such as --cfg-options '
    'source_val.ann_file=val.txt'
)


@dataclass(frozen=True)
class PoolScores:
    """Scores of a pool.

    Attributes:
        names: Of the checkpoints.
        classes: Names of the classes.
        rows: Scores of each checkpoint, higher is better.
        evidence: What they come from.
        notes: What was left out and why.
        precision: In which the networks computed.
    """

    names: list[str]
    classes: tuple[str, ...]
    rows: list[dict[str, float]]
    evidence: PoolEvidence
    notes: list[str]
    precision: Precision = 'fp32'

    @property
    def order(self) -> list[int]:
        """Indices, the best checkpoint first."""
        return best_first(self.rows)

    def content(self) -> dict[str, Any]:
        """For a JSON file; what is not a number is None."""
        ranks, passed = mean_ranks(self.rows), passes_guard(self.rows)
        content = dict(
            best=self.names[self.order[0]],
            order=[self.names[index] for index in self.order],
            fused=fused_weights(self.rows),
            precision=self.precision,
            classes=list(self.classes),
            notes=self.notes,
            checkpoints=[
                dict(
                    name=name,
                    mean_rank=float(ranks[index]),
                    passes_guard=passed[index],
                    scores={k: float(v) for k, v in row.items()},
                    class_ratio=class_ratio(
                        self.evidence.states[index]
                    ).tolist(),
                    expected_iou=self._expected(index),
                )
                for index, (name, row) in enumerate(
                    zip(self.names, self.rows, strict=True)
                )
            ],
        )
        return without_nan(content)

    def _expected(self, index: int) -> dict[str, float]:
        evidence = self.evidence.evidence(index)
        if evidence.source is None:
            return {}
        found = estimate_accuracy(evidence.state, evidence.source)
        pairs = zip(self.classes, found.iou.tolist(), strict=True)
        return dict(pairs)

    def tables(self) -> list[Table]:
        """Scores of each checkpoint, the best first.

        Returns:
            What the order depends on, and then all others, for comparison.
        """
        fused = fused_weights(self.rows)
        names = list(dict.fromkeys(n for row in self.rows for n in row))
        leading = [name for name in (_GUARD, *fused) if name in names]
        others = [name for name in names if name not in leading]
        return [
            self._table(part, leads=number == 0)
            for number, part in enumerate((leading, *_groups(others)))
        ]

    def legend(self) -> list[str]:
        """Names of the checkpoints by the number of their rows."""
        passed = passes_guard(self.rows)
        return [
            f'{place}: {self.names[index]}'
            + ('' if passed[index] else ' (has forgotten the source)')
            for place, index in enumerate(self.order, 1)
        ]

    def _table(self, names: Sequence[str], leads: bool) -> Table:
        ranks = mean_ranks(self.rows)
        table = Table()
        for name in ('', *(['mean rank'] if leads else []), *names):
            table.add_column(name, justify='right', no_wrap=True)
        for place, index in enumerate(self.order, 1):
            row = self.rows[index]
            cells = [f'{ranks[index]:.2f}'] if leads else []
            cells += [_text(name, row.get(name, math.nan)) for name in names]
            table.add_row(str(place), *cells)
        return table


def score_checkpoints(
    cfg: Config,
    checkpoints: Sequence[str],
    sampling: Sampling,
    report: Report,
    configs: Mapping[str, Config] | None = None,
) -> PoolScores:
    """Score checkpoints without labels of the target.

    Of a checkpoint without a teacher the only network is judged where its
    config tests a teacher.

    Args:
        cfg: A training config, whose images all see.
        checkpoints: Files, of its network or of others.
        sampling: On which images.
        report: Called with the part of the work, images done and all images.
        configs: Other configs by checkpoint, as of :func:`members_of`.

    Raises:
        ConfigError: The config has no such images, or as of
            :func:`members_of`.
        CheckpointError: A checkpoint fits no config.
    """
    found, notes = members_of(cfg, checkpoints, configs, sampling.domain)
    members = only_networks(found)
    scores = score_members(members, sampling, report, notes)
    untaught = [
        name
        for name, member in zip(scores.names, members, strict=True)
        if member.network
    ]
    if untaught:
        scores.notes.insert(0, NO_TEACHER + ', '.join(untaught))
    return scores


def score_members(
    members: Sequence[Member],
    sampling: Sampling,
    report: Report,
    notes: Sequence[str] = (),
) -> PoolScores:
    """Score checkpoints whose networks and configs are known.

    Args:
        members: The checkpoints.
        sampling: As of :func:`score_checkpoints`.
        report: As of :func:`score_checkpoints`.
        notes: What there is to say beforehand.

    Raises:
        ConfigError: As of :func:`score_checkpoints`.
        CheckpointError: The same.
    """
    found = evaluate_pool(members, sampling, report)
    rows = score_rows(found.evidence)
    return PoolScores(
        found.names,
        found.classes,
        rows,
        found.evidence,
        [*notes, *_notes(found)],
        sampling.precision,
    )


def _notes(found: EvaluatedPool) -> list[str]:
    """What is left out."""
    notes = []
    if found.held_out is None:
        notes.append(NO_SOURCE)
    elif not found.evidence.sources:
        notes.append(UNLABELLED_SOURCE)
    elif not found.held_out:
        notes.append(SEEN_SOURCE)
    notes += left_out_classes(found.evidence, found.classes)
    states = zip(found.names, found.evidence.states, strict=True)
    notes += [
        f'{name} predicts no numbers (NaN) on the target: it has the last rank'
        for name, state in states
        if not state['pixels']
    ]
    return notes


def score_rows(evidence: PoolEvidence) -> list[dict[str, float]]:
    """All scores of each checkpoint, higher is better.

    ``ATC_mIoU`` is the mean over the classes that can be estimated for some
    checkpoint of the pool. A class that a checkpoint hardly predicts counts 0
    (ours): left out, a network that has lost all hard classes would be the
    best.

    Args:
        evidence: Of a pool; ``EnsV`` is there for more than one checkpoint.
    """
    expected = expected_iou(evidence)
    rows = []
    for index, state in enumerate(evidence.states):
        source = evidence.sources[index] if evidence.sources else None
        prior = None if source is None else source.class_ratio
        row: dict[str, float] = {}
        if source is not None:
            row[_GUARD] = source.mean_iou
        row |= label_free_scores(state, prior)
        if source is not None:
            estimate = estimate_accuracy(state, source)
            row['ATC_mIoU'] = float(expected[index].nanmean())
            row['ATC_precision'] = estimate.mean_precision
            row['DoC'] = difference_of_confidences(state, source)
        if len(evidence.states) > 1:
            row['EnsV'] = agreement(evidence.ensemble[index])
            row['EnsV_mIoU'] = mean_iou(evidence.ensemble[index])
        rows.append(row)
    return rows


def expected_iou(evidence: PoolEvidence) -> Tensor:
    """IoU of each class that ATC expects of each checkpoint.

    Args:
        evidence: Of a pool of K checkpoints.

    Returns:
        (K, C) in percent, (0, C) without labelled source images. NaN where a
        class is estimated of no checkpoint, 0 where of others only.
    """
    found = [
        estimate_accuracy(state, source).iou
        for state, source in zip(
            evidence.states, evidence.sources, strict=False
        )
    ]
    if not found:
        return torch.zeros(0, evidence.states[0].num_classes)
    table = torch.stack(found)
    known = ~table.isnan().all(dim=0)
    return torch.where(known, table.nan_to_num(0), table)


def left_out_classes(
    evidence: PoolEvidence, classes: Sequence[str]
) -> list[str]:
    """Tell the classes that the expected mIoU is without.

    Args:
        evidence: Of a pool.
        classes: Names of the classes.

    Returns:
        A sentence, or none.
    """
    table = expected_iou(evidence)
    if not len(table):
        return []
    missing = table.isnan().all(dim=0).nonzero().flatten().tolist()
    if not missing:
        return []
    return [
        f'ATC_mIoU is without {", ".join(classes[i] for i in missing)}: no '
        'checkpoint predicts enough of it on the target and some of it on '
        'the source'
    ]


def _groups(names: Sequence[str], size: int = 5) -> list[Sequence[str]]:
    """As many columns at a time as a terminal has place for."""
    return [names[i : i + size] for i in range(0, len(names), size)]


_GUARD = 'source_mIoU'
_IN_PERCENT = ('mIoU', 'consistency', 'EnsV', 'ATC', 'DoC', 'Dice')


def _text(name: str, value: float) -> str:
    if not math.isfinite(value):
        return '-'
    percent = any(part in name for part in _IN_PERCENT)
    return f'{value:.1f}' if percent else f'{value:.3f}'
