# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Checks the data of a config before training on it."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuda.datasets.data_checks import describe_left_out, examine_dataset
from mmuda.datasets.sets.missing_labels import (
    labels_elsewhere,
    missing_labels,
    unlabelled,
)
from mmuda.registry import DATASETS
from mmuda.utils.checks import COUNT
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    checked,
    run_tool,
)
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    PSEUDO_LABEL_LOADERS,
    override_data_roots,
    set_pseudo_label_root,
)
from mmuda.utils.config_files import named_files
from mmuda.utils.errors import MMUDAError
from mmuda.utils.setup_env import register_all_modules


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Build all data sets of a config, and list what is wrong '
        'with their files, and with the weights that the model starts from.'
    )
    add_config_argument(parser)
    parser.add_argument(
        '--all',
        action='store_true',
        help='read every image and label, not only some of each domain',
    )
    parser.add_argument(
        '--workers', type=checked(COUNT), default=4, help='threads for --all'
    )
    parser.add_argument(
        '--pseudo-labels',
        metavar='DIR',
        help='check these pseudo-labels of the target, too',
    )
    add_data_options(parser)
    return parser.parse_args()


def dataset_configs(cfg: Config) -> Iterator[tuple[str, dict, str]]:
    """Yield what there is to check, no twins.

    Yields:
        Name of the loader, config of a data set and, of a target that is not
        evaluated, the reason.
    """
    seen = []
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loaders = cfg.get(name) or []
        several = isinstance(loaders, list)
        configs = [
            part['dataset'] for part in (loaders if several else [loaders])
        ]
        reasons = [
            '' if name == 'train_dataloader' else not_evaluated(part)
            for part in configs
        ]
        # Labels that are all missing where others lie are no choice.
        if all(reasons) and any(map(labels_elsewhere, configs)):
            reasons = [''] * len(reasons)
        for config, reason in zip(configs, reasons, strict=True):
            if config not in seen:
                seen.append(config)
                yield name, config, reason


def not_evaluated(config: dict) -> str:
    """Why a data set has no labels; other faults are found later."""
    try:
        return missing_labels(config) or ''
    except MMUDAError:
        return ''


def check_config(cfg: Config, scan: bool, workers: int) -> int:
    """Print what the data sets hold and what is wrong; return the faults."""
    faults = 0
    for name, config, reason in dataset_configs(cfg):
        print(name, flush=True)
        if reason:
            print(f'  not evaluated: {reason}{labels_elsewhere(config)}')
            config = unlabelled(config)
        try:
            dataset = DATASETS.build(config)
            report = examine_dataset(dataset, scan, workers, progress=scan)
            print_lines(describe_left_out(dataset))
            print_lines(report.lines)
            for message in report.warnings:
                print(f'  WARNING {message}')
            found = report.doubts + report.incomplete + report.faults
        except MMUDAError as error:
            found = [str(error)]
        for message in found:
            print(f'  ERROR {message}', file=sys.stderr)
        faults += len(found)
    return faults


def check_named_files(cfg: Config) -> int:
    """Print which files beside the data are not there; return how many."""
    faults = 0
    for file in named_files(cfg):
        if file.is_missing:
            faults += 1
            print(
                f"  ERROR {file.place}: there is no '{file.path}'; "
                f'{file.remedy}',
                file=sys.stderr,
            )
        elif file.is_address:
            print(f'{file.place}: {file.path} is fetched when training starts')
    start = cfg.get('load_from')
    there = start and ('://' in start or Path(start).expanduser().is_file())
    if start and not there:
        print(
            f"load_from: there is no '{start}' yet; train it first, or name "
            'another by --load-from'
        )
    return faults


def remove_unset_loaders(node: Any) -> int:
    """Remove what loads pseudo-labels that nobody has named yet, in place.

    Args:
        node: A config or a part of one.

    Returns:
        Number of transforms removed.
    """
    if isinstance(node, dict):
        return sum(remove_unset_loaders(part) for part in node.values())
    if not isinstance(node, list):
        return 0
    unset = [
        part
        for part in node
        if isinstance(part, dict)
        and part.get('type') in PSEUDO_LABEL_LOADERS
        and part.get('pseudo_label_root') is None
    ]
    for part in unset:
        node.remove(part)
    return len(unset) + sum(remove_unset_loaders(part) for part in node)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines below the name of their loader."""
    for line in lines:
        print(f'  {line}')


def main(args: argparse.Namespace) -> int:
    """Check; return 1 if there was a fault."""
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    if args.pseudo_labels:
        set_pseudo_label_root(cfg, args.pseudo_labels)
    if remove_unset_loaders(cfg.get('train_dataloader')):
        print('pseudo-labels: none named, so none checked (--pseudo-labels)')
    faults = check_named_files(cfg)
    faults += check_config(cfg, args.all, args.workers)
    print(f'{faults} fault(s) found' if faults else 'no fault found')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
