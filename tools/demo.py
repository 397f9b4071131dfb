# Copyright (c) mmuda authors.
"""Show what adaptation does on generated street scenes.

Renders the scenes, trains a small network with weights of ImageNet on the
source, then for half as long again by the source alone, MinEnt, DACS and HRDA,
side by side where there are cores, and tests all of them on two targets, of
which the methods see the first. Prints one table, draws predictions, errors
and entropy maps. What an earlier run finished is reused.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import logging
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from rich.console import Console

from mmuda.evaluation.comparison_pictures import draw_comparison
from mmuda.utils.cli import add_traceback_option, path_argument, run_tool
from mmuda.utils.locks import only_writer
from mmuda.utils.processes import Command
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.threads import COUNT

# Beside tools/, in the repository and in the wheel of the demo.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo import (
    DemoSettings,
    make_data,
    method_folder,
    named_lines,
    result_table,
    run_method,
    run_methods,
    threads_of_each,
    write_results,
)
from demo.runs import demo_config, precision, require_weights

_ROOT = Path(__file__).parents[1]
CONFIGS, SHORT = _ROOT / 'configs' / 'demo', _ROOT / 'demo' / 'configs'
_NETWORK = 'efficientnet-lite0_gta2cs'
# The later ones take longer, and begin first.
METHODS = {
    'source-only': CONFIGS / f'demo_source_only_{_NETWORK}.py',
    'source-longer': SHORT / f'demo_source_only_{_NETWORK}_150.py',
    'MinEnt': SHORT / f'demo_minent_{_NETWORK}_150.py',
    'DACS': SHORT / f'demo_dacs_{_NETWORK}_150.py',
    'HRDA': SHORT / f'demo_hrda_{_NETWORK}_150.py',
}
TARGETS = ('cityscapes', 'idd')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--out', type=path_argument, help='folder of the results'
    )
    parser.add_argument(
        '--data', type=path_argument, help='folder of the scenes'
    )
    parser.add_argument(
        '--short',
        action='store_true',
        help='few images and iterations: shows that everything runs, not '
        'what the methods achieve',
    )
    parser.add_argument(
        '--method',
        choices=METHODS,
        help='train and test this method only, and show no table; the scenes '
        'and the methods that it starts from are there from an earlier run',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def settings_from(args: argparse.Namespace) -> DemoSettings:
    """Full or short demo, in the folders asked for."""
    name = 'demo_short' if args.short else 'demo'
    data = args.data or Path('data') / name
    out = args.out or Path('work_dirs') / name
    if args.short:
        return DemoSettings(METHODS, data, out, 16, 16, 6, max_iters=8)
    return DemoSettings(METHODS, data, out, 300, 300, 60)


def main(args: argparse.Namespace) -> int:
    """Run the demo; 130 if it was interrupted."""
    settings = settings_from(args)
    register_all_modules()
    try:
        if args.method is None:
            with only_writer(out=settings.out):
                show(settings, args.short)
        else:
            run_one(settings, args.method)
    except KeyboardInterrupt:
        if args.method is None:
            print('Stopped; the same command continues where it was.')
        return 130
    return 0


def run_one(settings: DemoSettings, method: str) -> None:
    """Run a method in a folder of its own, beside others."""
    threads = threads_of_each(settings).get(COUNT)
    if threads is not None:
        # The whole demo starts it with the variable.
        torch.set_num_threads(int(threads))
    with only_writer(out=method_folder(settings, method)):
        run_method(settings, method)


def show(settings: DemoSettings, short: bool) -> None:
    """Run the demo in a folder that is locked."""
    start = time.perf_counter()
    require_weights(settings)
    print(precision().reason.removeprefix('--amp: '))
    make_data(settings)
    words = ['--out', str(settings.out), '--data', str(settings.data)]
    words += ['--short'] * short
    results = run_methods(
        settings,
        lambda name: Command(
            Path(__file__).resolve(), ['--method', name, *words]
        ),
    )
    write_results(results, settings.out)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    pictures = draw_comparison(
        {name: demo_config(settings, name) for name in METHODS},
        {name: result['checkpoint'] for name, result in results.items()},
        settings.out / 'pictures',
        TARGETS,
    )
    Console().print(result_table(results))
    print(f'Table:    {settings.out / "results.md"}')
    print(f'Pictures: {pictures[0].parent} ({len(pictures)} files)')
    print(f'Total:    {time.perf_counter() - start:.0f} seconds')


def run(args: argparse.Namespace) -> int:
    """Run the tool; lines of a single method begin with its name."""
    width = max(map(len, METHODS))
    named = named_lines(args.method.ljust(width)) if args.method else None
    # Around all, since errors are told at the very end.
    with named or nullcontext():
        return run_tool(main, args)


if __name__ == '__main__':
    sys.exit(run(parse_args()))
