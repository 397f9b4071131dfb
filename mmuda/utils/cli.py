# Copyright (c) mmuda authors.
"""What the command line tools have in common."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmuda.registry import RUNNERS
from mmuda.utils.checks import COUNT, Check
from mmuda.utils.config import (
    default_work_dir,
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.config_names import config_argument
from mmuda.utils.config_values import check_config
from mmuda.utils.distributed import connect_processes, init_distributed
from mmuda.utils.errors import (
    describe_error,
    explain_failure,
    is_of_user,
)
from mmuda.utils.files import require_writable_folder
from mmuda.utils.launch import asks_for_processes, start_again
from mmuda.utils.processes import (
    INTERRUPTED,
    end_with_parent,
    raise_at_interrupt,
)
from mmuda.utils.screen import VERBOSE
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.text import shorten

USER_ERROR = 2
LOST_PROCESS = 1
UNEXPECTED = 1
_ROOT = Path(__file__).parents[2]
_OWN = (
    *('mmuda', 'tools', 'tests', 'street_scenes', 'benchmarks', 'demo'),
    *('model_index', 'experiments'),
)


class OptionsAction(DictAction):
    """Options ``KEY=VALUE``, gathered over several uses of the flag."""

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """As mmengine, which takes the spaces out of a path."""
        text = val.strip('\'"')
        if ' ' in text and ',' not in text and text[:1] not in ('[', '('):
            return text
        return DictAction._parse_iterable(val)

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
        try:
            super().__call__(parser, namespace, values, option_string)
        except Exception as error:  # also of brackets that don't match
            reason = describe_error(error)
            parser.error(f'{option_string}: cannot read a value: {reason}')
        merged = {**earlier, **getattr(namespace, self.dest)}
        setattr(namespace, self.dest, merged)


def option_value(text: str) -> Any:
    """Value that the text of an option ``KEY=VALUE`` stands for.

    Args:
        text: Behind the equals sign.
    """
    return OptionsAction._parse_iterable(text)


def checked(
    check: Check, kind: type[int] | type[float] = int
) -> Callable[[str], int | float]:
    """Make the ``type`` of an option whose number lies in a range.

    Args:
        check: The range.
        kind: What the text is converted to.
    """

    def convert(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not check.fits(value):
            raise argparse.ArgumentTypeError(
                f'must be {check.expected}, not {shorten(repr(text))}'
            )
        return value

    return convert


def not_empty(text: str) -> str:
    """The ``type`` of an option that names a file or folder.

    Args:
        text: Empty where a variable of the shell is, which would else stand
            for the folder one is in.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError('must name a file or folder')
    return text


def path_argument(text: str) -> Path:
    """:func:`not_empty` as a path."""
    return Path(not_empty(text))


def add_config_argument(
    parser: argparse.ArgumentParser, what: str = 'config file'
) -> None:
    """Add the first argument of a tool, a config.

    Args:
        parser: Of the tool.
        what: Which config, for the help.
    """
    parser.add_argument(
        'config',
        type=config_argument,
        help=f'{what}, or the name of one that comes with mmuda, such as '
        'advent_gta2cs',
    )


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every tool that builds a runner."""
    parser.add_argument(
        '--work-dir',
        type=not_empty,
        help='folder of logs and checkpoints; by default the one named in '
        'the config, else work_dirs/METHOD/CONFIG',
    )
    add_data_options(parser)
    add_verbose_option(parser)
    add_launcher_option(parser)


def add_launcher_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher``."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started several processes',
    )
    parser.add_argument(
        '--gpus',
        type=checked(COUNT),
        metavar='N',
        help='start N processes, each on a GPU, or on CPUs where there is '
        'none; on several machines set NNODES, NODE_RANK, MASTER_ADDR, PORT',
    )
    # Both spellings are in use by launchers.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every tool that reads the data of a config."""
    add_data_roots(parser)
    add_config_options(parser)
    add_traceback_option(parser)


def add_data_roots(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root``."""
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


def add_traceback_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--traceback``."""
    parser.add_argument(
        '--traceback',
        action='store_true',
        default=os.environ.get('MMUDA_TRACEBACK') == '1',
        help='show where an error came from (also: MMUDA_TRACEBACK=1)',
    )


class SettingAction(argparse.Action):
    """An option of the config: a setting of its tables."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Put it among the options of ``--cfg-options``."""
        options = getattr(namespace, 'cfg_options', {})
        namespace.cfg_options = {**options, 'setting': values}


def add_verbose_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--verbose`` to a tool that trains or tests."""
    parser.add_argument(
        '--verbose',
        action='store_true',
        help='show all of the log on the screen, from the first line on '
        '(also: MMUDA_VERBOSE=1)',
    )


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options`` and ``--setting``."""
    parser.add_argument(
        '--setting',
        action=SettingAction,
        default=argparse.SUPPRESS,
        metavar='NAME',
        help='source, targets and classes in place of those of the config, '
        'such as g2ci or g2cmi_19 (configs/_base_/settings/domains.py)',
    )
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
    cfg = config_of_processes(args)
    cfg.work_dir = (
        args.work_dir
        or cfg.get('work_dir')
        or default_work_dir(args.config, args.cfg_options.get('setting'))
    )
    return cfg


def config_of_processes(args: argparse.Namespace) -> Config:
    """Read the config and apply the options of tools with a launcher.

    Raises:
        ConfigError: If the file or an option is wrong.
    """
    if args.local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    override_data_roots(cfg, dict(args.data_root))
    return cfg


def connect(cfg: Config) -> None:
    """Check the config and connect the processes of its launcher.

    Raises:
        ConfigError: If the config is wrong.
    """
    _complete_and_check(cfg)
    connect_processes(cfg.launcher, cfg)


def _complete_and_check(cfg: Config) -> None:
    """Make mmuda known to the registries and check the config."""
    cfg.setdefault('default_scope', 'mmuda')
    register_all_modules(init_default_scope=False)
    check_config(cfg)


def build_runner(cfg: Config) -> Runner:
    """Check the config, connect the processes and build the runner.

    Raises:
        ConfigError: If the config is wrong, or its work dir not writable.
    """
    _complete_and_check(cfg)
    require_writable_folder(cfg.work_dir, '--work-dir')
    init_distributed(cfg.launcher, cfg)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return RUNNERS.get('UDARunner').from_cfg(cfg)


def run_tool(
    function: Callable[[argparse.Namespace], int | None],
    args: argparse.Namespace,
) -> int:
    """Run a tool; every error ends in one line.

    Args:
        function: Does the work; returns an exit code, None for success.
        args: Its arguments; ``traceback`` asks for more than the line, and
            ``verbose`` for all lines of the log, of started processes too.

    Returns:
        The exit code: 2 after an error of the user, 130 after Ctrl-C, 1 after
        any other error, or if another process of the run, or one that loads
        data, has ended. Of processes that ``gpus`` asks for, that of the one
        that failed first.
    """
    raise_at_interrupt()
    end_with_parent()
    if getattr(args, 'verbose', False):
        os.environ[VERBOSE] = '1'
    try:
        if asks_for_processes(args):
            return start_again(args.gpus)
        code = function(args) or 0
    except Exception as error:
        return _tell(error, args.traceback)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr, flush=True)
        return INTERRUPTED
    if dist.is_initialized():
        dist.destroy_process_group()
    return code


def _tell(error: Exception, with_traceback: bool) -> int:
    """Print an error in one line; return the exit code."""
    if with_traceback:
        traceback.print_exc()
    lost = explain_failure(error)
    if lost is not None:
        print(f'stopped: {lost}', file=sys.stderr, flush=True)
        return LOST_PROCESS
    # Any process may be the only one with the error, or the only one that
    # lives long enough to tell it.
    rank = int(os.environ.get('RANK', 0))
    line = f'error (process {rank}): ' if rank else 'error: '
    line += describe_error(error)
    if not is_of_user(error):
        line += f' ({_origin(error)}; --traceback shows more)'
    print(line, file=sys.stderr, flush=True)
    return USER_ERROR if is_of_user(error) else UNEXPECTED


def _origin(error: Exception) -> str:
    """The innermost line of this project that led to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        inside = path.relative_to(_ROOT) if _ROOT in path.parents else None
        # Installed, the other packages lie beside ours.
        if inside is not None and inside.parts[0] in _OWN:
            return f'{inside}:{frame.lineno}'
    return f'{frames[-1].filename}:{frames[-1].lineno}'


def _domain_and_path(text: str) -> tuple[str, str]:
    domain, separator, path = text.partition('=')
    if not (domain and separator and path):
        raise argparse.ArgumentTypeError(f'expected DOMAIN=PATH: {text}')
    return domain, path
