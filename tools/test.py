# Copyright (c) mmuda authors.
"""Test a model, or an ensemble of models, and write what it predicts.

Labels are needed for metrics only: without any, --out, --export and --show-dir
write the predictions.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import logging
import sys
from typing import get_args

from mmengine.config import Config
from mmengine.logging import print_log

from mmuda.datasets.server_formats import FORMATS
from mmuda.engine import predict_without_labels
from mmuda.utils.checks import NOT_NEGATIVE
from mmuda.utils.cli import (
    add_config_argument,
    add_runner_arguments,
    build_runner,
    checked,
    config_from_args,
    connect,
    not_empty,
    run_tool,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import (
    Protocol,
    draw_predictions,
    export_predictions,
    predict_in,
    require_no_predictions,
    save_predictions,
    use_checkpoints,
    use_head,
    use_protocol,
)
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import add_amp_option, precision_of_args
from mmuda.utils.tta import add_tta_options, use_test_time_augmentation


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    parser.add_argument(
        'checkpoint',
        nargs='+',
        help='checkpoint; several are tested as an ensemble, by the weighted '
        'sum of their logits',
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        type=float,
        metavar='W',
        help='weight of each checkpoint of an ensemble; equal by default',
    )
    add_output_options(parser)
    add_tta_options(parser)
    add_target_options(parser)
    add_amp_option(parser, 'predict')
    add_runner_arguments(parser)
    return parser.parse_args()


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add what is done with predictions."""
    parser.add_argument(
        '--out',
        type=not_empty,
        metavar='DIR',
        help='write predictions as train-id PNGs with a palette, named by '
        "the images' paths below their folder",
    )
    parser.add_argument(
        '--export',
        metavar='DIR',
        help='write predictions for the server of a benchmark, in the ids and '
        'under the names of --format; DIR has no predictions yet',
    )
    parser.add_argument(
        '--format',
        choices=list(FORMATS),
        help='whose server --export writes for (acdc: that of Dark Zurich, '
        'too)',
    )
    parser.add_argument(
        '--show-dir',
        type=not_empty,
        metavar='DIR',
        help='write predictions as drawings, named as those of --out',
    )
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window'
    )
    parser.add_argument(
        '--wait-time',
        type=checked(NOT_NEGATIVE, float),
        default=2.0,
        metavar='SECONDS',
        help='how long each window stays',
    )


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add what models of several targets leave open."""
    parser.add_argument(
        '--head',
        metavar='NAME',
        help='head that predicts, where targets have heads of their own: '
        'agnostic, ensemble, the name of a target, or own for each target '
        'by its own (agnostic is also the one head of other models); by '
        'default predict_head of the config',
    )
    parser.add_argument(
        '--protocol',
        choices=get_args(Protocol),
        help='judge predictions at the size of each label (native), or '
        'resize labels to the size that the network sees (published by MTAF, '
        'CoaST and MLCL); by default as in the config, where it is native',
    )


def main(args: argparse.Namespace) -> None:
    """Test and print the metrics."""
    if bool(args.export) != bool(args.format):
        raise ConfigError(
            '--export DIR and --format NAME belong together: give both, or '
            '--out DIR for predictions in train ids'
        )
    cfg = config_from_args(args)
    if not cfg.get('test_dataloader'):
        raise ConfigError(f'{args.config}: no test_dataloader')
    if args.head:
        use_head(cfg, args.head)
    use_checkpoints(cfg, args.checkpoint, args.weights)
    if args.protocol:
        use_protocol(cfg, args.protocol)
    if args.tta or args.tta_scales:
        if args.protocol and 'tta_pipeline' in cfg:
            raise ConfigError(
                '--protocol and --tta: tta_pipeline of the config says how '
                'images and labels are resized; leave --protocol out'
            )
        use_test_time_augmentation(cfg, args.tta_scales)
    predict_in(cfg, precision_of_args(args))
    if args.export:
        require_no_predictions(args.export)
    connect(cfg)
    with only_writer(out=args.out, export=args.export, show_dir=args.show_dir):
        test(cfg, args)


def test(cfg: Config, args: argparse.Namespace) -> None:
    """Test with folders of results that are locked."""
    if args.out:
        save_predictions(cfg, args.out)
    if args.export:
        export_predictions(cfg, args.export, args.format)
    if args.show or args.show_dir:
        draw_predictions(cfg, args.show_dir, args.show, args.wait_time)
    folders = args.out, args.export, args.show_dir
    writes = args.show or any(folders)
    with config_errors(cfg):
        notes = predict_without_labels(cfg, writes)
        runner = build_runner(cfg)
        for note in notes:
            print_log(note, 'current', logging.WARNING)
        runner.test()


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
