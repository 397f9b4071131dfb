# Copyright (c) mmuda authors.
"""Checks the data of a config before training on it.

If nothing is wrong, it also tells how far the domains are apart: in colours,
sizes and classes, and in the entropy of a network with --checkpoint.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from rich.console import Console

from mmuda.datasets.class_gaps import (
    LabelsSeen,
    class_gap_notes,
    class_gap_warnings,
    left_out_of_means,
    renamed,
)
from mmuda.datasets.data_checks import (
    describe_left_out,
    examine_dataset,
    iter_domains,
)
from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.learned_images import learned_and_evaluated
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.sets.missing_labels import (
    labels_elsewhere,
    missing_labels,
    unlabelled,
)
from mmuda.evaluation.image_groups import ImageGroups, examine_groups
from mmuda.models.labelled_target import weight_without_images
from mmuda.models.method_checks import require_learner
from mmuda.models.trained import load_trained
from mmuda.models.uda import BaseUDA
from mmuda.registry import DATASETS, MODELS
from mmuda.reports.domain_gap import look_at_domain, with_entropy
from mmuda.reports.gap_advice import advice, class_table, gap_table
from mmuda.utils.checks import COUNT, WHOLE
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    checked,
    run_tool,
)
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    data_sets,
    override_data_roots,
    remove_unset_loaders,
    set_pseudo_label_root,
)
from mmuda.utils.config_files import named_files
from mmuda.utils.config_keys import config_errors, type_name
from mmuda.utils.errors import ConfigError, MMUDAError
from mmuda.utils.names import LABELLED, LABELLED_TARGET, SOURCE
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
    parser.add_argument(
        '--gap-images',
        type=checked(WHOLE),
        default=24,
        metavar='N',
        help='images of each domain by which they are compared; 0 for no '
        'comparison (24)',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        help='of a network trained on the source alone, whose entropy tells '
        'how unsure it is of each domain',
    )
    add_data_options(parser)
    return parser.parse_args()


def dataset_configs(
    cfg: Config,
) -> Iterator[tuple[str, dict, str, list[dict]]]:
    """Yield what there is to check, no twins.

    Yields:
        Name of the loader, such as ``val_dataloader[1]`` of several, config
        of a data set, of a target that is not evaluated the reason, and
        metrics that evaluate it.
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
        metrics = cfg.get(name.replace('dataloader', 'evaluator')) or []
        metrics = metrics if several and metrics else [metrics] * len(configs)
        for number, config in enumerate(configs):
            if config not in seen:
                seen.append(config)
                part = f'{name}[{number}]' if several else name
                own = metrics[number]
                own = own if isinstance(own, list) else [own]
                yield part, config, reasons[number], own


def not_evaluated(config: dict) -> str:
    """Why a data set has no labels; other faults are found later."""
    try:
        return missing_labels(config) or ''
    except MMUDAError:
        return ''


def check_config(cfg: Config, scan: bool, workers: int) -> int:
    """Print what the data sets hold and what is wrong; return the faults."""
    faults, seen, built = 0, {}, {}
    for name, config, reason, metrics in dataset_configs(cfg):
        print(name, flush=True)
        if reason:
            print(f'  not evaluated: {reason}{labels_elsewhere(config)}')
            config = unlabelled(config)
        try:
            dataset = DATASETS.build(config)
            report = examine_dataset(dataset, scan, workers, progress=scan)
            print_lines(describe_left_out(dataset))
            print_lines(report.lines)
            for metric in metrics if not reason else ():
                if metric.get('group_by') is not None:
                    groups = ImageGroups(metric['group_by'])
                    report.warnings.extend(examine_groups(groups, dataset))
            for message in report.warnings:
                print(f'  WARNING {message}')
            found = report.doubts + report.incomplete + report.faults
            seen[name], built[name] = report.seen, dataset
        except MMUDAError as error:
            found = [str(error)]
        for message in found:
            print(f'  ERROR {message}', file=sys.stderr)
        faults += len(found)
    training = built.pop('train_dataloader', None)
    print_class_gaps(cfg, seen, built)
    for line in learned_and_evaluated(training, built):
        print(f'WARNING {line}')
    return faults


def print_class_gaps(
    cfg: Config,
    seen: dict[str, list[LabelsSeen]],
    built: Mapping[str, SegmentationDataset],
) -> None:
    """Print which classes only the training or only an evaluation has."""
    learned, evaluated = seen.pop('train_dataloader', []), renamed(seen)
    warnings = [*class_gap_warnings(learned)]
    for name, dataset in built.items():
        known = leaves_classes_out(cfg, name)
        warnings += left_out_of_means(name, dataset.metainfo, known)
    notes = [*class_gap_notes(learned, evaluated)]
    if warnings or notes:
        print('classes')
    print_lines([*(f'WARNING {text}' for text in warnings), *notes])


def leaves_classes_out(cfg: Config, loader: str) -> bool:
    """Whether a metric ignores classes that labels can't be.

    Args:
        cfg: A whole config.
        loader: As of :func:`dataset_configs`.
    """
    name, _, number = loader.rstrip(']').partition('[')
    metrics = cfg.get(name.replace('dataloader', 'evaluator')) or []
    if number:
        metrics = metrics[int(number) :][:1]
    while any(isinstance(part, list | tuple) for part in metrics):
        metrics = [*chain.from_iterable(metrics)]
    listed = [metrics] if isinstance(metrics, dict) else metrics
    return any(type_name(part) == 'DomainIoUMetric' for part in listed)


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


def check_labelled_target(cfg: Config) -> int:
    """Print what is wrong between it and the method; return the faults."""
    loader, model = cfg.get('train_dataloader'), cfg.get('model') or {}
    if not loader or not loader['dataset'].get(LABELLED_TARGET):
        words = weight_without_images(model)
        if words is not None:
            print(f'WARNING {words}')
        return 0
    method = model.get('type')
    method = MODELS.get(method) if isinstance(method, str) else method
    try:
        if isinstance(method, type):
            require_learner(method)
    except ConfigError as error:
        print(f'  ERROR {error}', file=sys.stderr)
        return 1
    return 0


def check_checkpoint(cfg: Config, args: argparse.Namespace) -> None:
    """Refuse a checkpoint that nothing would be done with, or not there."""
    if not args.checkpoint:
        return
    if not args.gap_images:
        raise ConfigError(
            '--checkpoint tells the entropy of the images that are compared, '
            'and --gap-images 0 compares none; leave one of the two out'
        )
    for key, lack in (
        ('model', 'network to load it into'),
        ('train_dataloader', 'domains to compare'),
    ):
        if not cfg.get(key):
            raise ConfigError(
                f'--checkpoint: {args.config} has no {key}, so no {lack}; '
                'leave the option out'
            )
    local_checkpoint(args.checkpoint)


def print_gap(cfg: Config, args: argparse.Namespace) -> None:
    """Print how far the domains are apart, and what to do about it."""
    loader = cfg.get('train_dataloader')
    if not loader or not args.gap_images:
        return
    dataset = DATASETS.build(loader['dataset'])
    domains, evaluated = dict(iter_domains(dataset)), evaluated_sets(cfg)
    count = args.gap_images
    looks = {
        name: look_at_domain(name, part, count, args.workers)
        for name, part in (domains | evaluated).items()
    }
    if args.checkpoint:
        model = load_method(cfg, args.checkpoint)
        for name, part in (domains | evaluated).items():
            looks[name] = with_entropy(looks[name], part, model, count)
    source = looks.get(SOURCE)
    # A training on the source alone is for what it is tested on.
    targets = [n for n in domains if n not in LABELLED] or evaluated
    console, classes = Console(markup=False), dataset.metainfo['classes']
    for table in (
        gap_table([*looks.values()], source),
        class_table([*looks.values()], classes),
    ):
        if table is not None:
            console.print(table)
    others = [looks[name] for name in targets]
    known = [looks[name] for name in evaluated]
    for line in advice(source, others, known, classes):
        print(f'- {line}')


def load_method(cfg: Config, checkpoint: str) -> BaseUDA:
    """The model of a config with the weights of a checkpoint."""
    with config_errors(cfg):
        model = MODELS.build(cfg.model)
    if not isinstance(model, BaseUDA):
        raise ConfigError(
            f'--checkpoint: model.type={type(model).__name__} is none of the '
            'methods of mmuda'
        )
    load_trained(model, checkpoint)
    return model.to(get_device())


def evaluated_sets(cfg: Config) -> dict[str, SegmentationDataset]:
    """Validation sets with labels, which are for the report alone."""
    return {
        name: build_domain(name, config)
        for name, config in data_sets(cfg).items()
        if name.partition('.')[0] == 'val' and not not_evaluated(config)
    }


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
    check_checkpoint(cfg, args)
    faults = check_named_files(cfg) + check_labelled_target(cfg)
    wrong = check_config(cfg, args.all, args.workers)
    if not wrong:
        print_gap(cfg, args)
    elif args.checkpoint:
        print('domains are not compared before these faults are mended')
    faults += wrong
    print(f'{faults} fault(s) found' if faults else 'no fault found')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
