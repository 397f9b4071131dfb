# Copyright (c) mmuda authors.
"""Measure how well label-free scores choose, on runs whose test has labels.

ROOT holds a folder for each pool (a pair of domains), and in it the work
directories of its runs: ROOT/<pool>/<run>/ with iter_*.pth and the config.
Each checkpoint is scored and tested once; a stopped experiment continues.
Writes results.md and results.json.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from mmuda.model_selection.sampling_options import (
    add_sampling_options,
    sampling_of,
)
from mmuda.pseudo_labels.labelling_report import ProgressLines
from mmuda.utils.cli import add_traceback_option, not_empty, run_tool
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import without_nan
from mmuda.utils.locks import only_writer
from mmuda.utils.setup_env import register_all_modules

# These are beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from experiments.label_free.experiment import Experiment, Record
from experiments.label_free.experiment_cache import ExperimentCache
from experiments.label_free.experiment_groups import (
    groups_of,
    harm_detections,
)
from experiments.label_free.experiment_tables import report_text
from experiments.label_free.run_roles import given_roles


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder of the pools')
    parser.add_argument(
        '--out',
        type=not_empty,
        required=True,
        metavar='DIR',
        help='where to write; holds what is done already',
    )
    parser.add_argument(
        '--roles',
        nargs='+',
        default=[],
        metavar='POOL/RUN=ROLE',
        help='what a run, or all runs of a row, are, where that is unclear '
        'or told wrongly: source_only, method, or oracle and start, which '
        'are left out',
    )
    add_sampling_options(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Run what is missing, and write the tables."""
    register_all_modules()
    console = Console(markup=False)
    with only_writer(out=args.out):
        out = Path(args.out)
        experiment = Experiment(
            args.root,
            ExperimentCache(out / 'cache'),
            sampling_of(args),
            console.print,
            ProgressLines(write=Console(stderr=True).print),
            given_roles(args.roles, args.root),
        )
        records = experiment.run()
        groups = list(groups_of(records))
        harm = harm_detections(records)
        text = report_text(records, groups, harm, experiment.notes)
        content = dict(
            precision=experiment.sampling.precision,
            records=[record_content(record) for record in records],
            groups=[asdict(group) for group in groups],
            harm={
                name: {pool: asdict(found) for pool, found in part.items()}
                for name, part in harm.items()
            },
            notes=experiment.notes,
        )
        result = json.dumps(without_nan(content), indent=1)
        atomic_write(out / 'results.json', result + '\n')
        atomic_write(out / 'results.md', text)
        console.print(text, soft_wrap=True)
        console.print(f'written: {out / "results.md"} and results.json')


def record_content(record: Record) -> dict:
    """What is written of a checkpoint."""
    run = record.run
    return dict(
        pool=run.pool,
        run=run.name,
        method=run.method,
        role=run.role,
        source_only=run.source_only,
        seed=run.seed,
        iteration=record.iteration,
        mIoU=record.truth,
        across=record.across,
        alarms=record.alarms,
        harmful=record.harmful,
        losses=record.losses,
    )


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
