# Copyright (c) mmuda authors.
"""Train a model."""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import logging
import sys
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmuda.datasets.sets.data_roots import require_data_roots
from mmuda.engine import skip_validation_without_labels
from mmuda.hooks import GracefulStopHook
from mmuda.hooks.run_record import check_config_of_resumed_run
from mmuda.utils.checks import SEED
from mmuda.utils.cli import (
    add_config_argument,
    add_runner_arguments,
    build_runner,
    checked,
    config_from_args,
    connect,
    run_tool,
)
from mmuda.utils.compat import load_checkpoint_meta
from mmuda.utils.config_data import set_pseudo_label_root
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import (
    add_amp_option,
    enable_amp,
    precision_of_args,
)
from mmuda.utils.resume import find_resume_checkpoint, resume_point
from mmuda.utils.screen import tell
from mmuda.utils.tool_commands import tool_command


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from a checkpoint, by default from the newest whole '
        'one in the work dir; without any, start from the beginning',
    )
    parser.add_argument(
        '--load-from', metavar='CHECKPOINT', help='weights to start from'
    )
    parser.add_argument(
        '--new-parts',
        nargs='+',
        default=[],
        metavar='PART',
        help='what --load-from leaves out and starts anew: heads, for '
        'another number of classes, or parts such as attention_head and '
        'discriminator',
    )
    parser.add_argument(
        '--pseudo-labels',
        metavar='DIR',
        help='pseudo-labels of the target, from generate_pseudo_labels.py',
    )
    add_amp_option(parser, 'train')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='translate the networks by torch.compile, which takes minutes '
        'at the start; options of it: --cfg-options compile.mode=default',
    )
    parser.add_argument(
        '--seed', type=checked(SEED), help='seed of all random numbers'
    )
    add_runner_arguments(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Train; return 128 + signal if a signal ended the training."""
    cfg = config_from_args(args)
    if not cfg.get('train_dataloader'):
        raise ConfigError(f'{args.config}: no train_dataloader')
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    enable_amp(cfg, precision_of_args(args))
    if args.compile and not cfg.get('compile'):
        cfg.compile = True
    if args.pseudo_labels:
        set_pseudo_label_root(cfg, args.pseudo_labels)
    if args.load_from:
        cfg.load_from = args.load_from
    if args.new_parts:
        set_new_parts(cfg, args.new_parts, args.resume)
    connect(cfg)
    with only_writer(work_dir=cfg.work_dir):
        return train(cfg, args)


def train(cfg: Config, args: argparse.Namespace) -> int:
    """Train in a folder that is locked; see :func:`main`."""
    message = ''
    resume = cfg.get('resume') and (cfg.get('load_from') or 'auto')
    if args.resume or resume:
        message = set_resume(cfg, args.resume or resume, args.seed)
    with config_errors(cfg):
        require_data_roots(cfg)
        notes = skip_validation_without_labels(cfg)
        runner = build_runner(cfg)
        if message and cfg.resume:
            print_log(message, 'current', logging.WARNING)
        elif message:
            tell(message)
        for note in notes:
            print_log(note, 'current', logging.WARNING)
        runner.train()
    report(runner, notes)
    signals = [
        hook.received_signal
        for hook in runner.hooks
        if isinstance(hook, GracefulStopHook) and hook.received_signal
    ]
    return 128 + signals[0] if signals else 0


def set_new_parts(
    cfg: Config, new_parts: Sequence[str], resume: str | None
) -> None:
    """Let parts of the model start anew, in place.

    Raises:
        ConfigError: There are no weights to start from, or none that a part
            could be left out of.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if resume or not cfg.get('load_from'):
        raise ConfigError('--new-parts goes with --load-from CHECKPOINT')
    if str(hook.get('type')).rpartition('.')[2] != 'UDACheckpointHook':
        raise ConfigError(
            "--new-parts needs default_hooks.checkpoint.type='"
            "UDACheckpointHook'"
        )
    hook['new_parts'] = list(new_parts)


def set_resume(cfg: Config, checkpoint: str, seed: int | None) -> str:
    """Make the runner continue from a checkpoint, or from the newest.

    The run keeps its seed, whatever the config says: the sampler is built
    before the runner reads the checkpoint.

    Returns:
        What to log, '' for nothing.

    Raises:
        ConfigError: ``seed`` is given and another than the run's.
        CheckpointError: The checkpoint can't be read, or none is whole.
    """
    message = ''
    if checkpoint == 'auto':
        checkpoint, message = resume_point(cfg.work_dir)
    if checkpoint is None:
        cfg.resume = False
        return f'No checkpoint in {cfg.work_dir}: start anew'
    cfg.resume = True
    cfg.load_from = str(checkpoint)
    meta = load_checkpoint_meta(cfg.load_from)
    # Before the config in the work dir is replaced.
    check_config_of_resumed_run(cfg, dict(meta=meta), cfg.load_from)
    trained = meta.get('seed')
    if trained is None:
        return message
    if not isinstance(trained, Integral):
        raise CheckpointError(
            f'{checkpoint}: its seed is {trained!r} instead of a number; pass '
            'a checkpoint of a training'
        )
    if seed not in (None, trained):
        raise ConfigError(
            f'--seed {seed}: {checkpoint} was trained with seed {trained}; '
            'leave --seed out to continue it'
        )
    own = (cfg.get('randomness') or {}).get('seed')
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=trained)
    if own != trained:
        message += f' Seed {trained} of the checkpoint, not {own}, goes on'
    return message.strip()


def report(runner: Runner, notes: Sequence[str]) -> None:
    """Tell where the results are and what can be done next."""
    if notes:
        print_log('Nothing was evaluated', 'current', logging.WARNING)
    checkpoint = find_resume_checkpoint(runner.work_dir)
    if checkpoint is None:
        return
    # It holds what the command line changed, too.
    config = Path(runner.work_dir, Path(runner.cfg.filename).name)
    words = ['--resume']
    if runner.iter >= runner.max_iters:
        words += ['--cfg-options', 'train_cfg.max_iters=MORE']
    lines = [
        f'Checkpoints: {runner.work_dir}',
        f'Test:     {tool_command("test.py", config, checkpoint)}',
        f'Continue: {tool_command("train.py", config, *words)}',
    ]
    if not runner.cfg.get('test_dataloader'):
        del lines[1]
    print_log('\n'.join(lines), logger='current')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
