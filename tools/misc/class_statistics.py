# Copyright (c) mmuda authors.
"""Count the pixels of each class in each label of a config's data.

What was counted is kept: a later run, and RareClassSampling in a training,
read only labels that are new or have changed. Labels are counted as they are
on disk; crops and resizing of the pipeline do not count.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import json
import sys
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from mmuda.datasets.class_statistics import (
    ClassStatistics,
    class_statistics,
    default_path,
)
from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.rare_class_sampling import class_probabilities
from mmuda.utils.checks import COUNT, POSITIVE, WHOLE
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    DatasetConfig,
    data_set,
    override_data_roots,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.files import atomic_write
from mmuda.utils.names import SOURCE
from mmuda.utils.output_files import require_outputs
from mmuda.utils.setup_env import register_all_modules

_SAMPLING = dict(temperature=0.01, min_pixels=3000)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_config_argument(parser)
    add(
        '--domain',
        default=SOURCE,
        help='what to count: source, target or its name (with labels), '
        'labelled_target, val, test, or one of several as val.NAME',
    )
    add(
        '--out',
        type=path_argument,
        metavar='FILE',
        help='.npz file of the counts; by default the one that '
        'RareClassSampling of the config uses, or would use',
    )
    add(
        '--ratios',
        type=path_argument,
        metavar='FILE',
        help='JSON file for the part of the labelled pixels that each class '
        'has, for class_ratio_prior.ratio of MinEnt and AdvEnt',
    )
    add(
        '--largest-weight',
        type=checked(POSITIVE, float),
        default=10.0,
        help='of the weights for class_weight of a setting, which are printed '
        'as a list (10)',
    )
    add(
        '--workers',
        type=checked(COUNT),
        default=4,
        help='threads that read labels',
    )
    _add_drawing_options(parser)
    add_data_options(parser)
    return parser.parse_args()


def _add_drawing_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        '--temperature',
        type=checked(POSITIVE, float),
        help='of the probabilities; as in the config, else 0.01',
    )
    add(
        '--min-pixels',
        type=checked(WHOLE),
        help='pixels of a class that an image must exceed to be drawn for '
        'it; as in the config, else 3000',
    )


def without_sampling(config: DatasetConfig) -> tuple[DatasetConfig, dict]:
    """Take a data set out of its ``RareClassSampling``.

    Returns:
        Its config, and the options of the sampling.
    """
    options = {}
    while (
        isinstance(config, Mapping)
        and str(config.get('type')).rpartition('.')[2] == 'RareClassSampling'
    ):
        options = {k: v for k, v in config.items() if k != 'dataset'}
        config = config['dataset']
    return config, options


def result_table(
    statistics: ClassStatistics,
    temperature: float,
    min_pixels: int,
    largest: float = 10.0,
) -> Table:
    """Lay out shares, images, probabilities and weights by class."""
    shares = statistics.shares
    images = np.stack(
        [statistics.images_with_more_than(n) for n in (0, min_pixels)], axis=1
    )
    if images[:, 1].any():
        values = class_probabilities(statistics, temperature, min_pixels)
        probabilities = [f'{p:.4f}' if p else '-' for p in values]
    else:
        probabilities = ['-'] * len(shares)
    table = Table(
        'class',
        title=f'{len(statistics.keys)} labels, temperature {temperature}',
    )
    for heading in (
        *('pixels %', 'images', f'> {min_pixels} px', 'P(class)', 'weight'),
    ):
        table.add_column(heading, justify='right')
    weights = statistics.loss_weights(largest)
    rows = zip(
        *(statistics.classes, shares, images, probabilities, weights),
        strict=True,
    )
    for name, share, (some, enough), probability, weight in rows:
        table.add_row(
            *(name, f'{100 * share:.4f}', str(some), str(enough)),
            *(probability, f'{weight:.2f}'),
        )
    return table


def main(args: argparse.Namespace) -> None:
    """Count, write and print."""
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    config, options = without_sampling(data_set(cfg, args.domain, '--domain'))
    with config_errors(cfg):
        # It builds lists, too.
        dataset = build_domain(SOURCE, config)
    path = args.out or options.get('statistics') or default_path(dataset)
    require_outputs({'--out': path, '--ratios': args.ratios}, [args.config])
    statistics = class_statistics(dataset, path, args.workers)
    sampling = {
        name: options.get(name, default)
        if getattr(args, name) is None
        else getattr(args, name)
        for name, default in _SAMPLING.items()
    }
    largest = args.largest_weight
    Console(markup=False).print(
        result_table(statistics, **sampling, largest=largest)
    )
    print(f'statistics: {path}')
    weights = ', '.join(f'{w:.2f}' for w in statistics.loss_weights(largest))
    print(f'class_weight: [{weights}]')
    if args.ratios is not None:
        shares = json.dumps(statistics.shares.tolist(), indent=1)
        atomic_write(args.ratios, shares)
        print(f'ratios: {args.ratios}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
