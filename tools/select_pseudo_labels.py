# Copyright (c) mmuda authors.
"""Choose images for a cycle of co-training, or among their pseudo-labels.

The steps between the trainings and labellings that tools/cotrain.py runs; each
can be run by hand, too. All are deterministic and take seconds.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from mmuda.procedures.selection.accumulation import (
    AccumulatedLabels,
    Accumulation,
    Better,
)
from mmuda.procedures.selection.exchange import (
    ExchangeOrder,
    choose_exchange,
    exchange_warnings,
)
from mmuda.procedures.selection.labelled_images import LabelledImages
from mmuda.procedures.selection.merge import Disagreement, merge_folders
from mmuda.procedures.selection.ranking import (
    Ranking,
    keys_text,
    own_share,
    rank_images,
    sample_keys,
)
from mmuda.pseudo_labels.labeler import dataset_keys
from mmuda.pseudo_labels.labelling_options import dataset_to_label
from mmuda.registry import DATASETS
from mmuda.utils.checks import COUNT, SEED, SHARE, WHOLE
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    add_traceback_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.locks import only_writer
from mmuda.utils.names import MANIFEST
from mmuda.utils.output_files import require_outputs
from mmuda.utils.setup_env import register_all_modules

MERGED = '.merged'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    _add_sample(commands)
    rank = commands.add_parser('rank', help='keep the best images of a model')
    rank.add_argument('labels', type=Path, help='pseudo-labels')
    rank.add_argument(
        '--by',
        default='confidence',
        choices=get_args(Ranking),
    )
    exchange = _add_exchange(commands)
    update = commands.add_parser(
        'update', help='take new labels where they are better'
    )
    update.add_argument('labels', type=Path, help='pseudo-labels made anew')
    merge = commands.add_parser(
        'merge', help="complete each model's labels by the other's"
    )
    merge.add_argument('labels', type=Path, nargs=2)
    merge.add_argument(
        '--disagreement', default='keep', choices=get_args(Disagreement)
    )
    for parts in (rank, exchange, update):
        _add_accumulation(parts)
    for parts in (rank, exchange):
        parts.add_argument('--number', type=checked(COUNT), default=100)
    for parts in commands.choices.values():
        parts.add_argument('--out', type=path_argument, required=True)
    for parts in (rank, exchange, update, merge):
        add_traceback_option(parts)
    return parser.parse_args()


def _add_accumulation(parts: argparse.ArgumentParser) -> None:
    parts.add_argument('--previous', type=Path, help='images so far')
    parts.add_argument('--cycle', type=checked(WHOLE), default=0)
    parts.add_argument('--giver', default='self', help='for the table')
    parts.add_argument(
        '--better',
        default='confidence',
        choices=get_args(Better),
        help='which label of an image is better: the surer one, or the '
        'one with fewer rejected pixels',
    )
    parts.add_argument(
        '--mode',
        default='update_best_score',
        choices=get_args(Accumulation),
    )


def _add_sample(commands: argparse._SubParsersAction) -> None:
    sample = commands.add_parser('sample', help='draw images to label')
    add_config_argument(sample, 'a training config')
    sample.add_argument(
        '--number', required=True, metavar='N', help="how many, or 'all'"
    )
    sample.add_argument('--seed', type=checked(SEED), default=0)
    sample.add_argument(
        '--step',
        type=checked(COUNT),
        default=1,
        metavar='N',
        help='draw from each N-th image only, as frames of videos are alike',
    )
    add_data_options(sample)


def _add_exchange(
    commands: argparse._SubParsersAction,
) -> argparse.ArgumentParser:
    exchange = commands.add_parser(
        'exchange', help='choose images of one model for another'
    )
    exchange.add_argument('labels', type=Path, help="the giver's")
    exchange.add_argument(
        '--receiver', type=Path, required=True, help="the receiver's"
    )
    exchange.add_argument('--min-pixels', type=checked(WHOLE), default=5000)
    exchange.add_argument('--control', type=checked(SHARE, float), default=0.2)
    exchange.add_argument(
        '--by',
        default='difference',
        choices=get_args(ExchangeOrder),
    )
    exchange.add_argument(
        '--own', action='store_true', help='half of them are its own images'
    )
    return exchange


def main(args: argparse.Namespace) -> None:
    """Run a step."""
    if args.command == 'sample':
        write_sample(args)
        return
    with only_writer(out=args.out):
        if args.command == 'merge':
            merge_labels(args)
        else:
            select(args)


def write_sample(args: argparse.Namespace) -> None:
    """Write the keys of drawn images."""
    require_outputs({'--out': args.out}, [args.config])
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    register_all_modules()
    if args.number != 'all' and not args.number.isdecimal():
        raise ConfigError(f"--number {args.number}: a number, or 'all'")
    number = None if args.number == 'all' else int(args.number)
    with config_errors(cfg):
        dataset = DATASETS.build(dataset_to_label(cfg, []))
    keys = sample_keys(dataset_keys(dataset), number, args.seed, args.step)
    atomic_write(args.out, keys_text(keys))
    print(f'{len(keys)} of {len(dataset)} images: {args.out}')


def select(args: argparse.Namespace) -> None:
    """Select images and add them to those so far."""
    labelled = LabelledImages.read(args.labels)
    chosen = AccumulatedLabels.select(
        labelled,
        _CHOICES[args.command](args, labelled),
        args.cycle,
        args.giver,
    )
    if args.command == 'exchange' and args.own:
        chosen = _with_own(args, chosen)
    if not len(chosen):
        print(
            f'warning: cycle {args.cycle} selects no image of '
            f"'{args.labels}'; it goes on with those before",
            file=sys.stderr,
        )
    accumulated = chosen
    if args.previous is not None:
        before = AccumulatedLabels.read(args.previous)
        accumulated = before.update(chosen, args.mode, args.better)
    accumulated.write(args.out, labelled.manifest)
    print(
        f'{len(chosen)} images selected, {len(accumulated)} in all: {args.out}'
    )


def _ranked(
    args: argparse.Namespace, labelled: LabelledImages
) -> Sequence[int]:
    return rank_images(labelled.statistics, args.by)[: args.number]


def _exchanged(
    args: argparse.Namespace, labelled: LabelledImages
) -> Sequence[int]:
    receiver = LabelledImages.read(args.receiver)
    number = args.number - args.number // 2 if args.own else args.number
    exchange = choose_exchange(
        labelled, receiver, number, args.by, args.min_pixels, args.control
    )
    for line in exchange_warnings(
        exchange,
        labelled.manifest.classes,
        str(args.labels),
        str(args.receiver),
    ):
        print(f'warning: {line}', file=sys.stderr)
    return exchange.indices


def _all(args: argparse.Namespace, labelled: LabelledImages) -> Sequence[int]:
    return range(len(labelled.statistics))


_CHOICES = {'rank': _ranked, 'exchange': _exchanged, 'update': _all}


def _with_own(
    args: argparse.Namespace, given: AccumulatedLabels
) -> AccumulatedLabels:
    receiver = LabelledImages.read(args.receiver)
    statistics = receiver.statistics
    own = own_share(
        rank_images(statistics),
        statistics.keys,
        given.statistics.keys,
        args.number,
    )
    chosen = AccumulatedLabels.select(receiver, own, args.cycle, 'own')
    return given.update(chosen, 'all')


def merge_labels(args: argparse.Namespace) -> None:
    """Write both models' completed labels to the folders a and b."""
    first, second = map(LabelledImages.read, args.labels)
    folders = args.out / 'a', args.out / 'b'
    mark = args.out / MERGED
    for folder in folders:
        known = mark.exists() or (folder / MANIFEST).is_file()
        if not known and folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"--out: '{folder}' is not empty, and what it holds are no "
                'merged labels; choose another folder'
            )
    # First of all, so that what a stopped run leaves is known as ours.
    atomic_write(mark, '')
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    merge_folders(first, second, folders, None, args.disagreement)
    print(f'merged labels: {args.out}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
