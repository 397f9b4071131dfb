# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Label-free scores and true mIoU of all checkpoints of all runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuda.evaluation.harm_alarms import Evidence, harm_report
from mmuda.evaluation.label_free_scores import agreement
from mmuda.pseudo_labels.labelling_options import target_names
from mmuda.utils.checksums import sha256_of
from mmuda.utils.config_data import data_sets
from mmuda.utils.errors import CheckpointError

from .checkpoint_pool import CheckpointPool
from .checkpoint_scores import Sampling, score_rows
from .experiment_cache import CacheKey, ExperimentCache
from .experiment_runs import (
    ExperimentRun,
    find_runs,
    iteration_of,
    source_only_of,
)
from .harm_comparison import thresholds_of
from .pool_evaluation import (
    PoolEvidence,
    Report,
    evaluate_source,
    evaluate_target,
)
from .selection_data import (
    loader_of,
    source_images,
    spread_indices,
    target_images,
)
from .true_accuracy import labelled_test_images, true_miou

Tell = Callable[[str], None]


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
            before; None for the first.
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
        notes: What could not be done.
    """

    root: Path
    cache: ExperimentCache
    sampling: Sampling
    tell: Tell
    report: Report
    notes: list[str] = field(default_factory=list)
    _data: dict[str, Config] = field(default_factory=dict, repr=False)

    def run(self) -> list[Record]:
        """Score every checkpoint, or read what was scored before.

        Raises:
            ConfigError: A run has no config or no test images.
        """
        runs = find_runs(self.root)
        self._data = data_of_pools(runs)
        records = []
        for number, run in enumerate(runs, 1):
            self.tell(f'run {number} of {len(runs)}: {run.pool}/{run.name}')
            records += self._of_run(run)
        self._compare(records, runs)
        return records

    def _of_run(self, run: ExperimentRun) -> list[Record]:
        cfg = run.load()
        key = CacheKey(self.sampling, data_text(self._data[run.pool]))
        sums = [sha256_of(path) for path in run.checkpoints]
        names = [key.of([checksum]) for checksum in sums]
        together = key.of(sums)
        if self.cache.read(together) is None:
            self._evaluate(run, cfg, names, together)
        self._test(run, cfg, names)
        pool = self.cache.read(together) or {}
        records = []
        for index, path in enumerate(run.checkpoints):
            evidence = self.cache.read_evidence(names[index])
            truth = self.cache.read(names[index])
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
        cfg: Config,
        names: Sequence[str],
        together: str,
    ) -> None:
        """Score the checkpoints of a run, whose images are loaded once."""
        found = evaluate_pool(
            cfg,
            self._data[run.pool],
            run.checkpoints,
            self.sampling,
            self.report,
        )
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
        self, run: ExperimentRun, cfg: Config, names: Sequence[str]
    ) -> None:
        """Measure what is not measured yet by labels."""
        missing = [i for i, n in enumerate(names) if not self.cache.read(n)]
        if not missing:
            return
        dataset = labelled_test_images(cfg, self.sampling.domain)
        files = [str(run.checkpoints[index]) for index in missing]
        pool = CheckpointPool(
            cfg, files, dataset.metainfo['classes'], self.sampling.precision
        )
        for place, index in enumerate(missing):
            model = pool.use(place)
            with pool.computing():
                value = true_miou(model, dataset, self.sampling.workers)
            about: dict[str, Any] = dict(mIoU=value, file=files[place])
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
            if other is None or record.run.is_source_only:
                continue
            reference = last[id(other)]
            record.harmful = record.truth < reference.truth - HARM
            classes = record.evidence.state.num_classes
            report = harm_report(
                record.evidence,
                reference.evidence,
                [str(index) for index in range(classes)],
                thresholds_of(record.run.load()),
                None if before is None else before.evidence,
                record.changed,
            )
            record.alarms = tuple(alarm.name for alarm in report.alarms)
            own, its = group_scores([record, reference], [None, None])
            record.losses = {
                name: its[name] - value
                for name, value in own.items()
                if name != 'EnsV'
            }

    def pool_agreement(self, records: Sequence[Record]) -> list[float | None]:
        """Agreement of last checkpoints of several runs with their mean.

        Args:
            records: Of one pool.

        Returns:
            In percent; None for all if their networks are not alike.
        """
        run = next(
            (r.run for r in records if r.run.is_source_only), records[0].run
        )
        cfg = run.load()
        files = [record.run.checkpoints[-1] for record in records]
        data = self._data[run.pool]
        key = CacheKey(self.sampling, data_text(data))
        name = key.of(['across', *(sha256_of(path) for path in files)])
        found = self.cache.read(name)
        if found is None:
            sampling = replace(self.sampling, second_view_every=0)
            sampling = replace(sampling, source_count=1)
            try:
                evidence = evaluate_pool(
                    cfg, data, files, sampling, self.report
                )
            except CheckpointError as error:
                self.notes.append(f'no EnsV across {run.pool}: {error}')
                return [None] * len(records)
            values = [agreement(table) for table in evidence.ensemble]
            found = dict(agreement=values)
            self.cache.write(name, found)
        return found['agreement']


HARM = 0.5


def data_of_pools(runs: Sequence[ExperimentRun]) -> dict[str, Config]:
    """Config of each pool whose images its checkpoints are shown.

    That of the first run that trains on a target, as source-only knows none.

    Args:
        runs: All runs.
    """
    found: dict[str, Config] = {}
    for run in runs:
        if run.pool not in found or not target_names(found[run.pool]):
            found[run.pool] = run.load()
    return found


def evaluate_pool(
    cfg: Config,
    data: Config,
    files: Sequence[Path],
    sampling: Sampling,
    report: Report,
) -> PoolEvidence:
    """Sums of some checkpoints of one network.

    Args:
        cfg: Config of the network.
        data: Config of the images.
        files: Checkpoints.
        sampling: On which images.
        report: Called with the part of the work, images done and all images.

    Raises:
        CheckpointError: One does not fit.
    """
    dataset = target_images(data, sampling.images, sampling.domain)
    classes = tuple(dataset.metainfo['classes'])
    pool = CheckpointPool(
        cfg, [str(file) for file in files], classes, sampling.precision
    )
    indices = spread_indices(len(dataset), sampling.target_count)
    found = evaluate_target(
        pool,
        loader_of(dataset, indices, sampling.workers),
        len(indices),
        len(classes),
        sampling.second_view_every,
        report,
    )
    source = source_images(data, sampling.domain)
    if source is not None:
        labelled, _ = source
        chosen = spread_indices(len(labelled), sampling.source_count)
        found.sources = evaluate_source(
            pool,
            loader_of(labelled, chosen, sampling.workers),
            len(chosen),
            len(classes),
            report,
        )
    return found


def data_text(cfg: Config) -> str:
    """What the data sets of a config are, as far as results depend on it."""
    return repr(sorted(data_sets(cfg).items())) + repr(cfg.get('source_val'))


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
