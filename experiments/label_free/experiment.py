# Copyright (c) mmuda authors.
"""Label-free scores and true mIoU of all checkpoints of all runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from typing_extensions import TypedDict

from experiments.label_free.experiment_cache import CacheKey, ExperimentCache
from experiments.label_free.experiment_configs import (
    data_of_pools,
    data_text,
    network_text,
    runs_by_target,
)
from experiments.label_free.experiment_runs import (
    ExperimentRun,
    find_runs,
    iteration_of,
    source_only_of,
)
from experiments.label_free.true_accuracy import (
    labelled_test_images,
    true_miou,
)
from experiments.row_roles import Role
from mmuda.evaluation.harm_alarms import Evidence, harm_report
from mmuda.evaluation.label_free_scores import agreement
from mmuda.model_selection.checkpoint_pool import CheckpointPool
from mmuda.model_selection.checkpoint_scores import score_rows
from mmuda.model_selection.harm_comparison import thresholds_of
from mmuda.model_selection.member_configs import with_data_of
from mmuda.model_selection.pool_evaluation import Report, evaluate_pool
from mmuda.model_selection.pool_evidence import PoolEvidence
from mmuda.model_selection.pool_members import Member
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.checksums import sha256_of
from mmuda.utils.errors import CheckpointError, ConfigError

Tell = Callable[[str], None]


class _Truth(TypedDict):
    mIoU: float
    file: str


class _OfPool(TypedDict):
    agreement: list[float | None]
    changed: list[float | None]


class _Across(TypedDict):
    agreement: list[float | None]


@dataclass
class Record:
    """What is known of a checkpoint.

    Attributes:
        run: Its run.
        iteration: Iterations until then.
        truth: mIoU on the test images in percent.
        evidence: Sums on target and source.
        own_pool: Agreement with the mean of its run's checkpoints.
        changed: Share of labels that differ from those of the checkpoint
            before; None for the first, and where one predicts no numbers.
        across: Agreement of a run's last checkpoint with the mean of those of
            its pool; None for others, and where they can't be compared.
        alarms: Of the comparison with source-only; None where there is none.
        harmful: Whether its mIoU is more than half a point below that of
            source-only; None where there is none.
        losses: Of each score, what source-only has more.
    """

    run: ExperimentRun
    iteration: int
    truth: float
    evidence: Evidence
    own_pool: float | None
    changed: float | None
    across: float | None = None
    alarms: tuple[str, ...] | None = None
    harmful: bool | None = None
    losses: dict[str, float] = field(default_factory=dict)


@dataclass
class Experiment:
    """Runs all that is missing, and collects the records.

    Attributes:
        root: Folder of the pools.
        cache: Where results are kept.
        sampling: On which images label-free scores are taken.
        tell: Prints a line.
        report: Called with the part of the work, images done and all images.
        roles: Of runs, by ``<pool>/<run>``, see :func:`find_runs`.
        notes: What could not be done.
    """

    root: Path
    cache: ExperimentCache
    sampling: Sampling
    tell: Tell
    report: Report
    roles: Mapping[str, Role] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _data: dict[str, Config] = field(default_factory=dict, repr=False)

    def run(self) -> list[Record]:
        """Score every checkpoint, or read what was scored before.

        Raises:
            ConfigError: A run has no config or no test images, or its role
                is unclear.
        """
        runs = find_runs(self.root, self.roles)
        runs, self._data = runs_by_target(
            runs, data_of_pools(runs), self.sampling.domain
        )
        records = []
        for number, run in enumerate(runs, 1):
            self.tell(f'run {number} of {len(runs)}: {run.pool}/{run.name}')
            records += self._of_run(run)
        for rivals in last_of_pools(records):
            found = self._pool_agreement(rivals)
            for record, value in zip(rivals, found, strict=True):
                record.across = value
        self._compare(records, runs)
        return records

    def _of_run(self, run: ExperimentRun) -> list[Record]:
        members = self._members(run)
        cfg = members[0].cfg
        key = self._key(run, data_text(cfg), network_text(cfg))
        sums = [sha256_of(path) for path in run.checkpoints]
        names = [key.of([checksum]) for checksum in sums]
        # Not the name of its only checkpoint.
        together = key.of(['together', *sums])
        known = [self.cache.read_evidence(name) for name in names]
        if self.cache.read(together, _OfPool) is None or None in known:
            self._evaluate(run, members, names, together)
        self._test(run, members, names)
        pool = self.cache.read(together, _OfPool)
        assert pool is not None, 'just written'
        records = []
        for index, path in enumerate(run.checkpoints):
            evidence = self.cache.read_evidence(names[index])
            truth = self.cache.read(names[index], _Truth)
            assert evidence is not None, 'just written'
            assert truth is not None, 'just written'
            records.append(
                Record(
                    run,
                    iteration_of(path),
                    truth['mIoU'],
                    evidence,
                    pool['agreement'][index],
                    pool['changed'][index],
                )
            )
        return records

    def _evaluate(
        self,
        run: ExperimentRun,
        members: Sequence[Member],
        names: Sequence[str],
        together: str,
    ) -> None:
        """Score the checkpoints of a run, whose images are loaded once."""
        sampling = self._sampling(run)
        found = evaluate_pool(members, sampling, self.report).evidence
        for index, name in enumerate(names):
            source = found.sources[index] if found.sources else None
            self.cache.write_evidence(
                name, Evidence(found.states[index], source)
            )
        count = len(names)
        self.cache.write(
            together,
            dict(
                agreement=[
                    found.evidence(index).pool for index in range(count)
                ],
                changed=[
                    found.changed(index, index - 1) if index else None
                    for index in range(count)
                ],
            ),
        )

    def _test(
        self,
        run: ExperimentRun,
        members: Sequence[Member],
        names: Sequence[str],
    ) -> None:
        """Measure what is not measured yet by labels."""
        missing = [
            index
            for index, name in enumerate(names)
            if self.cache.read(name, _Truth) is None
        ]
        if not missing:
            return
        dataset = labelled_test_images(run.load(), run.domain)
        asked = [members[index] for index in missing]
        pool = CheckpointPool(
            asked, dataset.metainfo['classes'], self.sampling.precision
        )
        for place, index in enumerate(missing):
            model = pool.use(place)
            with pool.computing():
                value = true_miou(model, dataset, self.sampling.workers)
            about: dict[str, Any] = dict(mIoU=value, file=asked[place].file)
            self.cache.write(names[index], about)
            self.tell(f'  {run.checkpoints[index].name}: mIoU {value:.2f}')

    def _compare(
        self, records: Sequence[Record], runs: list[ExperimentRun]
    ) -> None:
        """Fill in alarms and true harm against source-only."""
        last = {id(record.run): record for record in records}
        earlier: dict[int, Record] = {}
        for record in records:
            other = source_only_of(record.run, runs)
            before = earlier.get(id(record.run))
            earlier[id(record.run)] = record
            if record.run.is_source_only:
                continue
            if other is None:
                self._note_lack(record.run)
                continue
            reference = last[id(other)]
            record.harmful = record.truth < reference.truth - HARM
            classes = record.evidence.state.num_classes
            try:
                report = harm_report(
                    replace(record.evidence, pool=record.across),
                    replace(reference.evidence, pool=reference.across),
                    [str(index) for index in range(classes)],
                    thresholds_of(record.run.load()),
                    None if before is None else before.evidence,
                    record.changed,
                )
            except CheckpointError as error:
                # Of hours of work, one comparison is lost.
                self.notes.append(f'no alarms for {record.run.name}: {error}')
                continue
            record.alarms = tuple(alarm.name for alarm in report.alarms)
            own, its = group_scores([record, reference], [None, None])
            record.losses = {
                name: loss_of(value, its[name])
                for name, value in own.items()
                if name != 'EnsV'
            }

    def _note_lack(self, run: ExperimentRun) -> None:
        """Tell once that a row has nothing to be compared with."""
        note = f'no harm of {run.pool}/{run.method}: '
        if run.source_only is None:
            note += 'its pool has no source-only run'
        else:
            name = f' {run.source_only!r}' if run.source_only else ''
            note += f'its source-only row{name} has no finished run of '
            note += f'seed {run.seed}'
        if note not in self.notes:
            self.notes.append(note)

    def _pool_agreement(self, records: Sequence[Record]) -> list[float | None]:
        """Agreement of last checkpoints of several runs with their mean.

        In percent, at the resolution of the first one's output; None for all
        if they can't be compared.
        """
        run = records[0].run
        members = [self._members(record.run)[-1] for record in records]
        texts = [
            part(member.cfg)
            for member in members
            for part in (data_text, network_text)
        ]
        key = self._key(run, *texts)
        files = [record.run.checkpoints[-1] for record in records]
        name = key.of(['across', *(sha256_of(path) for path in files)])
        found = self.cache.read(name, _Across)
        if found is None:
            sampling = replace(self._sampling(run), second_view_every=0)
            sampling = replace(sampling, source_count=1)
            try:
                seen = evaluate_pool(members, sampling, self.report).evidence
            except (CheckpointError, ConfigError) as error:
                self.notes.append(f'no EnsV across {run.pool}: {error}')
                return [None] * len(records)
            values = [agreement(table) for table in seen.ensemble]
            found = dict(agreement=values)
            self.cache.write(name, found)
        return found['agreement']

    def _members(self, run: ExperimentRun) -> list[Member]:
        """Checkpoints of a run, which see the images of its pool."""
        origin = str(run.config)
        cfg = with_data_of(
            run.load(), self._data[run.pool], origin, run.domain
        )
        return [
            Member(str(file), cfg, origin=origin) for file in run.checkpoints
        ]

    def _sampling(self, run: ExperimentRun) -> Sampling:
        return replace(self.sampling, domain=run.domain)

    def _key(self, run: ExperimentRun, *texts: str) -> CacheKey:
        data = data_text(self._data[run.pool])
        return CacheKey(self._sampling(run), data, repr(texts))


HARM = 0.5


def last_of_pools(records: Sequence[Record]) -> list[list[Record]]:
    """Last checkpoints among which one is chosen, by pool.

    Args:
        records: All records, by pool and run.

    Returns:
        Of each pool that has several, one of each run that is no further
        source-only.
    """
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        if not record.run.is_further:
            found.setdefault(record.run.pool, {})[record.run.name] = record
    return [[*part.values()] for part in found.values() if len(part) > 1]


def loss_of(value: float, before: float) -> float:
    """What a score of source-only has more.

    Args:
        value: Of an adapted network.
        before: Of source-only.

    Returns:
        Infinity if it alone has one, as the other predicts no numbers.
    """
    lost = math.isfinite(before) and not math.isfinite(value)
    return math.inf if lost else before - value


def group_scores(
    records: Sequence[Record], agreements: Sequence[float | None]
) -> list[dict[str, float]]:
    """Scores of checkpoints that are compared with each other.

    Args:
        records: Of the group.
        agreements: With the mean of the group or of what there is.

    Returns:
        Scores by name, and ``EnsV`` where it is known.
    """
    evidence = PoolEvidence.empty(
        len(records), records[0].evidence.state.num_classes
    )
    evidence.states = [record.evidence.state for record in records]
    sources = [record.evidence.source for record in records]
    if all(source is not None for source in sources):
        evidence.sources = [s for s in sources if s is not None]
    rows = score_rows(evidence)
    for row, value in zip(rows, agreements, strict=True):
        row.pop('EnsV', None)
        row.pop('EnsV_mIoU', None)
        row['EnsV'] = math.nan if value is None else value
    return rows
