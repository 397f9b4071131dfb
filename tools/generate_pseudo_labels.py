# Copyright (c) mmuda authors.
"""Label the target's training images with a trained model, or an ensemble.

Writes a PNG of train ids for each image (255 where the model is not sure
enough) and, last, manifest.json. A stopped run continues; a finished folder is
kept as it is.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from rich.console import Console

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.pseudo_labels.checkpoints import describe_checkpoints, load_model
from mmuda.pseudo_labels.labelling_jobs import LabellingJob
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
from mmuda.pseudo_labels.labelling_report import (
    ProgressLines,
    result_table,
    selection_warnings,
)
from mmuda.utils.checks import COUNT
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    add_launcher_option,
    checked,
    config_of_processes,
    not_empty,
    run_tool,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.distributed import connect_processes
from mmuda.utils.errors import ConfigError
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import (
    add_amp_option,
    label_in,
    lay_out,
    precision_of_args,
)
from mmuda.utils.setup_env import register_all_modules


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser, 'config file with pseudo_labels')
    parser.add_argument(
        'checkpoint', nargs='+', help='checkpoint; several are an ensemble'
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        type=float,
        metavar='W',
        help='weight of each checkpoint of an ensemble; equal by default',
    )
    parser.add_argument(
        '--domain',
        default='target',
        help='which target, of several; or source, to measure labels',
    )
    _add_outputs(parser)
    add_amp_option(parser, 'predict')
    add_data_options(parser)
    add_launcher_option(parser)
    return parser.parse_args()


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--out',
        type=not_empty,
        required=True,
        metavar='DIR',
        help='where to write',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='label anew even if the folder holds finished labels',
    )
    parser.add_argument(
        '--show-dir',
        type=not_empty,
        metavar='DIR',
        help='draw some images and labels',
    )
    parser.add_argument(
        '--show-count',
        type=checked(COUNT),
        default=20,
        metavar='N',
        help='how many images to draw, spread over the set',
    )


def config_from_args(args: argparse.Namespace) -> Config:
    """Read the config, apply the options and connect the processes."""
    cfg = config_of_processes(args)
    register_all_modules()
    connect_processes(cfg.launcher, cfg)
    label_in(cfg, precision_of_args(args))
    return cfg


def main(args: argparse.Namespace) -> None:
    """Label, and tell what was kept."""
    cfg = config_from_args(args)
    with only_writer(out=args.out, show_dir=args.show_dir):
        label(args, cfg)


def label(args: argparse.Namespace, cfg: Config) -> None:
    """Label in a folder that is locked."""
    console = Console(markup=False, quiet=not is_main_process())
    with config_errors(cfg):
        job = job_from_args(args, cfg, console)
    if job.is_foreign():
        raise ConfigError(
            f"--out: '{job.root}' is not empty, and what it holds are no "
            'pseudo-labels; choose another folder'
        )
    manifest = None if args.overwrite else finished_labels(job)
    if manifest is None:
        with config_errors(cfg):
            model = load_model(cfg, args.checkpoint, args.weights)
        lay_out(model, job.options.precision)
        manifest = job.run(model)
    else:
        console.print(f'{job.root} is finished; --overwrite labels anew')
        if args.show_dir:
            console.print('--show-dir: pictures are drawn while labelling')
    console.print(result_table(manifest, job.measure()))
    for line in selection_warnings(manifest):
        if is_main_process():
            print(f'warning: {line}', file=sys.stderr)
    console.print(f'Pseudo-labels: {job.root}')


def job_from_args(
    args: argparse.Namespace, cfg: Config, console: Console
) -> LabellingJob:
    """What to label and how; wrong options are found here."""
    options = PseudoLabelOptions.from_config(cfg)
    if args.weights and options.combination == 'max':
        raise ConfigError(
            "--weights: pseudo_labels.combination='max' has no weights"
        )
    return LabellingJob(
        options,
        dataset_to_label(cfg, options.pipeline, args.domain),
        Path(args.out),
        about=dict(
            config=Path(args.config).name,
            checkpoints=describe_checkpoints(args.checkpoint, args.weights),
            domain=args.domain,
        ),
        report=ProgressLines(write=console.print),
        show_dir=Path(args.show_dir) if args.show_dir else None,
        show_count=args.show_count,
    )


def finished_labels(job: LabellingJob) -> PseudoLabelManifest | None:
    """Manifest of what an earlier run finished, if anything.

    Raises:
        ConfigError: The folder holds something else.
    """
    manifest = job.finished()
    differing = job.differences(manifest) if manifest else []
    if differing:
        raise ConfigError(
            f"--out: '{job.root}' holds finished pseudo-labels with other "
            f'{" and ".join(differing)}; choose another folder, or add '
            '--overwrite'
        )
    return manifest


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
