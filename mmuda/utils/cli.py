# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What the command line tools have in common."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence

import torch.distributed as dist
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmuda.registry import RUNNERS
from mmuda.utils.config import (
    default_work_dir,
    load_config,
    override_data_roots,
)
from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.distributed import connect_processes, init_distributed
from mmuda.utils.errors import MMUDAError
from mmuda.utils.files import require_writable_folder
from mmuda.utils.parents import end_with_parent
from mmuda.utils.setup_env import register_all_modules

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
LOST_CONNECTION = 1


class OptionsAction(DictAction):
    """Options ``KEY=VALUE``, gathered over several uses of the flag."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Add the options; a malformed one is a usage error."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string}: expected KEY=VALUE: {value}')
        earlier = getattr(namespace, self.dest)
        super().__call__(parser, namespace, values, option_string)
        merged = {**earlier, **getattr(namespace, self.dest)}
        setattr(namespace, self.dest, merged)


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every tool that builds a runner."""
    parser.add_argument(
        '--work-dir',
        help='folder of logs and checkpoints; by default the one named in '
        'the config, else work_dirs/METHOD/CONFIG',
    )
    add_data_options(parser)
    add_launcher_option(parser)


def add_launcher_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher``."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started several processes',
    )
    # Both spellings are in use by launchers.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every tool that reads the data of a config."""
    parser.add_argument(
        '--data-root',
        nargs='+',
        action='extend',
        type=_domain_and_path,
        default=[],
        metavar='DOMAIN=PATH',
        help='folders of the data sets, such as source=data/gta '
        'target=data/cityscapes',
    )
    add_config_options(parser)
    add_traceback_option(parser)


def add_traceback_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--traceback``."""
    parser.add_argument(
        '--traceback',
        action='store_true',
        default=os.environ.get('MMUDA_TRACEBACK') == '1',
        help='show where an error came from (also: MMUDA_TRACEBACK=1)',
    )


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='values that replace those of the config, such as '
        'train_cfg.max_iters=100; lists as key="[a,b]" without spaces',
    )


def config_from_args(args: argparse.Namespace) -> Config:
    """Read the config and apply the options of all runner tools.

    Raises:
        ConfigError: If the file or an option is wrong.
    """
    if args.local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = (
        args.work_dir or cfg.get('work_dir') or default_work_dir(args.config)
    )
    override_data_roots(cfg, dict(args.data_root))
    return cfg


def connect(cfg: Config) -> None:
    """Check the config and connect the processes of its launcher.

    Raises:
        ConfigError: If the config is wrong.
    """
    check_config(cfg)
    connect_processes(cfg.launcher, cfg)


def check_config(cfg: Config) -> None:
    """Make mmuda known to the registries and check the config.

    Raises:
        ConfigError: If the config is wrong.
    """
    cfg.setdefault('default_scope', 'mmuda')
    register_all_modules(init_default_scope=False)
    check_config_keys(cfg)


def build_runner(cfg: Config) -> Runner:
    """Check the config, connect the processes and build the runner.

    Raises:
        ConfigError: If the config is wrong, or its work dir not writable.
    """
    check_config(cfg)
    require_writable_folder(cfg.work_dir, '--work-dir')
    init_distributed(cfg.launcher, cfg)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)


def run_tool(
    function: Callable[[argparse.Namespace], int | None],
    args: argparse.Namespace,
) -> int:
    """Run a tool; what the user can mend ends in one line.

    Args:
        function: Does the work; returns an exit code, None for success.
        args: Its arguments; ``traceback`` asks for more than the line.

    Returns:
        The exit code: 2 after an error of the user, 130 after Ctrl-C, 1 if
        another process of the run has ended.
    """
    end_with_parent()
    try:
        code = function(args) or 0
    except MMUDAError as error:
        if args.traceback:
            traceback.print_exc()
        # Any process may be the only one with the error, or the only one
        # that lives long enough to tell it.
        rank = int(os.environ.get('RANK', 0))
        prefix = f'error (process {rank}): ' if rank else 'error: '
        print(prefix + _one_line(error), file=sys.stderr, flush=True)
        return USER_ERROR
    except RuntimeError as error:
        if not _lost_connection(error) or args.traceback:
            raise
        print(
            'stopped: another process has ended, its message tells why',
            file=sys.stderr,
            flush=True,
        )
        return LOST_CONNECTION
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr, flush=True)
        return INTERRUPTED
    if dist.is_initialized():
        dist.destroy_process_group()
    return code


def _lost_connection(error: RuntimeError) -> bool:
    # Gloo has no exception of its own.
    closed = re.search(r'Connection (closed|reset) by peer', str(error))
    return dist.is_initialized() and closed is not None


def _one_line(error: MMUDAError) -> str:
    text = str(error).strip()
    if text.startswith('Caught '):
        # From a loader process PyTorch brings the whole traceback as text;
        # its last line is "package.SomeError: message".
        text = text.splitlines()[-1].partition(': ')[2]
    return ' '.join(text.split())


def _domain_and_path(text: str) -> tuple[str, str]:
    domain, separator, path = text.partition('=')
    if not (domain and separator and path):
        raise argparse.ArgumentTypeError(f'expected DOMAIN=PATH: {text}')
    return domain, path
