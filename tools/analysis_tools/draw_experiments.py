# Copyright (c) mmuda authors.
"""Draw learning curves of all rows of an experiment, and predictions.

EXPERIMENT_curves.png has the validation mIoU of each row, mean and deviation
over the seeds; EXPERIMENT_comparison.png what the rows of one seed predict on
the same test images, each with its mIoU there.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mmuda.utils.checks import COUNT, SEED
from mmuda.utils.cli import (
    add_data_roots,
    add_traceback_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_path
from mmuda.utils.setup_env import register_all_modules

# This is beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from experiments import Experiment, plan_runs, read_experiment
from experiments.comparison import compare_rows
from experiments.learning_curves import curve_of, draw_learning_curves
from experiments.run_records import Run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('experiment', type=Path, help='such as experiments/demo.yml')
    add(
        '--runs',
        type=Path,
        default=Path('work_dirs/experiments'),
        metavar='DIR',
        help='--out of tools/run_experiments.py '
        '(default: work_dirs/experiments)',
    )
    add(
        '--out',
        type=path_argument,
        metavar='DIR',
        help='where to write both (default: the folder of the experiment)',
    )
    add('--seeds', nargs='+', type=checked(SEED), default=[0, 1, 2])
    add('--only', nargs='+', metavar='ROW', help='rows to draw')
    add(
        '--images',
        type=checked(COUNT),
        default=3,
        metavar='N',
        help='test images to compare predictions on (default: 3)',
    )
    add_data_roots(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Draw both."""
    register_all_modules()
    experiment = read_experiment(args.experiment)
    runs = [
        run
        for run in plan_runs(
            experiment,
            args.only,
            args.seeds,
            args.runs,
            dict(args.data_root),
            'fp32',
        )
        if run.result() is not None
    ]
    if not runs:
        raise ConfigError(
            f'{args.runs / experiment.name}: no run of these rows and seeds '
            'is finished'
        )
    out = args.out or args.runs / experiment.name
    names = [*experiment.rows]
    runs.sort(key=lambda run: names.index(run.row))
    curves = draw_learning_curves(experiment.title, curves_of(runs))
    file = out / f'{experiment.name}_curves.png'
    with atomic_path(file) as temporary:
        curves.savefig(temporary)
    print(file)
    draw_comparison(experiment, runs, args.images, out)


def curves_of(runs: Sequence[Run]) -> dict[str, list[dict[int, float]]]:
    """Curves of all seeds that have been validated, by title of the row."""
    found: dict[str, list[dict[int, float]]] = {}
    for run in runs:
        if curve := curve_of(run):
            found.setdefault(title_of(run), []).append(curve)
    return found


def draw_comparison(
    experiment: Experiment, runs: Sequence[Run], images: int, out: Path
) -> None:
    """Draw predictions of the first seed that is there."""
    seed = min(run.seed for run in runs)
    compared = {
        title_of(run): run
        for run in runs
        if run.seed == seed and run.checkpoint.is_file()
    }
    if not compared:
        print(f'no checkpoints of seed {seed} are there: no predictions')
        return
    picture = compare_rows(compared, images, experiment.shown_size)
    file = out / f'{experiment.name}_comparison.png'
    with atomic_path(file) as temporary:
        Image.fromarray(picture).save(temporary)
    print(file)


def title_of(run: Run) -> str:
    """What the row is called."""
    return run.recipe.row.title or run.row


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
