# Copyright (c) mmuda authors.
"""Options of tools that look at checkpoints without target labels."""

import argparse
import os
from collections.abc import Mapping, Sequence

from mmengine.config import Config

from mmuda.utils.checks import WHOLE
from mmuda.utils.cli import checked
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import use_head
from mmuda.utils.mixed_precision import add_amp_option, precision_of_args

from .member_configs import identity
from .selection_data import Sampling


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """Add on which images checkpoints are looked at.

    Args:
        parser: Of a tool.
    """
    parser.add_argument(
        '--images',
        choices=['train', 'val'],
        default='train',
        help='of the target; its labels are not read (default: train)',
    )
    parser.add_argument(
        '--domain', help='name of the target, if the config has several'
    )
    parser.add_argument(
        '--max-images',
        type=checked(WHOLE),
        default=200,
        metavar='N',
        help='images of the target, spread over the set; 0 for all '
        '(default: 200)',
    )
    parser.add_argument(
        '--max-source-images',
        type=checked(WHOLE),
        default=100,
        metavar='N',
        help='labelled images of the source; 0 for all (default: 100)',
    )
    parser.add_argument(
        '--second-view-every',
        type=checked(WHOLE),
        default=2,
        metavar='N',
        help='one target image in so many is seen twice; 0 for none '
        '(default: 2)',
    )
    parser.add_argument(
        '--workers',
        type=checked(WHOLE),
        default=2,
        help='processes that load images (default: 2)',
    )
    add_amp_option(parser, 'predict')


def add_configs_option(parser: argparse.ArgumentParser) -> None:
    """Add which configs checkpoints of other networks have.

    Args:
        parser: Of a tool.
    """
    parser.add_argument(
        '--configs',
        nargs='+',
        action='extend',
        default=[],
        metavar='CHECKPOINT=CONFIG',
        help='configs of checkpoints whose network, or size of images, is '
        'another one; the images are those of the first config, of which '
        '--data-root, --cfg-options, --setting and --head are, too (default: '
        'the config that a checkpoint holds, if it does not fit the first)',
    )


def named_configs(
    words: Sequence[str], files: Sequence[str]
) -> dict[str, str]:
    """Read what ``--configs`` says.

    Args:
        words: ``CHECKPOINT=CONFIG`` each.
        files: Checkpoints that are compared.

    Returns:
        Configs by checkpoint.

    Raises:
        ConfigError: A checkpoint is not compared, or named twice.
    """
    known = {identity(file): file for file in files}
    found: dict[str, str] = {}
    for word in words:
        # Folders of experiments are called by what they try, lr=0.1
        ends = [place for place, sign in enumerate(word) if sign == '=']
        pairs = [(identity(word[:end]), word[end + 1 :]) for end in ends]
        pairs = [(file, name) for file, name in pairs if file in known]
        if not pairs:
            raise ConfigError(
                f'--configs {word}: write CHECKPOINT=CONFIG, of a checkpoint '
                f'that is compared: {", ".join(files)}'
            )
        file, name = pairs[-1]
        if found.setdefault(known[file], name) != name:
            raise ConfigError(
                f'--configs: {known[file]} has two, {found[known[file]]} and '
                f'{name}; name one'
            )
    return found


def load_configs(
    names: Mapping[str, str | os.PathLike], option: str
) -> dict[str, Config]:
    """Read configs of checkpoints.

    Args:
        names: Files, or names of packaged ones, by checkpoint.
        option: That names them, for messages.

    Raises:
        ConfigError: There is no such config, or it is wrong.
    """
    loaded: dict[str, Config] = {}
    for name in {str(name) for name in names.values()}:
        try:
            loaded[name] = load_config(name)
        except ConfigError as error:
            raise ConfigError(f'{option}: {error}') from error
    return {file: loaded[str(name)] for file, name in names.items()}


def add_head_option(parser: argparse.ArgumentParser) -> None:
    """Add which head predicts.

    Args:
        parser: Of a tool.
    """
    parser.add_argument(
        '--head',
        help='head that predicts, of a model of several targets: agnostic, '
        'ensemble, the name of a target, or own for that of --domain',
    )


def use_head_of_args(cfg: Config, args: argparse.Namespace) -> None:
    """Let the head predict that ``--head`` names, in place.

    Args:
        cfg: A config of a single model.
        args: With ``head`` and ``domain``.

    Raises:
        ConfigError: There is no such head, or it is that of a target which
            is not named.
    """
    if args.head != 'own':
        if args.head:
            use_head(cfg, args.head)
        return
    if not args.domain:
        raise ConfigError(
            '--head own: name the target, whose head shall predict, by '
            '--domain'
        )
    use_head(cfg, args.domain)


def sampling_of(args: argparse.Namespace) -> Sampling:
    """What the options ask for; tells which precision ``--amp`` is.

    Args:
        args: Parsed options.
    """
    return Sampling(
        images=args.images,
        domain=args.domain,
        target_count=args.max_images or None,
        source_count=args.max_source_images or None,
        second_view_every=args.second_view_every,
        workers=args.workers,
        precision=precision_of_args(args),
    )
