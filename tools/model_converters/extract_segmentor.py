# Copyright (c) mmuda authors.
"""Take the segmentor out of a checkpoint, for stock mmseg tools.

With --teacher it is the segmentor's moving average, if the run kept one.
With --config a plain mmseg config is written too, so that mmseg's own
tools/test.py and mmseg.apis.init_model work on the two files. It needs mmuda
only if mmseg lacks the network (DeepLab-V2, MiT, ASPPSEHead, ...), and says
so; a network of mmseg (DeepLabV3+, ...) is written with mmseg's types alone,
and with a test set to fill where that is read by classes of mmuda.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from collections.abc import Mapping, Sequence

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from mmuda.convert import (
    OWN_TEST_DATA,
    find_state_dict,
    needed_types,
    own_parts,
    plain_config,
    strip_segmentor_prefix,
    weights_of_plain,
    write_checkpoint,
)
from mmuda.models.norm_statistics import MARK
from mmuda.models.trained import check_cover
from mmuda.registry import MODELS
from mmuda.utils.cli import add_traceback_option, not_empty, run_tool
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.config import config_text, load_config
from mmuda.utils.config_keys import config_errors
from mmuda.utils.config_names import config_argument
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.output_files import require_outputs
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.weights import check_finite
from mmuda.version import __version__


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='checkpoint of a method (.pth)')
    parser.add_argument('output', help='plain checkpoint to write (.pth)')
    parser.add_argument(
        '--teacher',
        action='store_true',
        help='take the teacher instead of the segmentor',
    )
    parser.add_argument(
        '--config', type=config_argument, help='config of the method'
    )
    parser.add_argument(
        '--out-config',
        type=not_empty,
        metavar='FILE',
        help='plain config to write (.py)',
    )
    add_traceback_option(parser)
    args = parser.parse_args(argv)
    if bool(args.config) != bool(args.out_config):
        parser.error('--config and --out-config go together')
    return args


def convert_checkpoint(path: str, teacher: bool = False) -> dict:
    """Read a checkpoint and return one of its networks as a plain one."""
    checkpoint = load_checkpoint_file(path)
    state_dict = strip_segmentor_prefix(
        find_state_dict(checkpoint, path),
        path,
        'teacher' if teacher else 'segmentor',
    )
    check_predicts(state_dict, path)
    meta = dict(mmuda_version=__version__)
    stored = checkpoint.get('meta', {})
    # Classes, and which domain running statistics are of.
    meta |= {k: stored[k] for k in ('dataset_meta', MARK) if stored.get(k)}
    return dict(meta=meta, state_dict=state_dict)


def check_predicts(state_dict: Mapping[str, Tensor], path: str) -> None:
    """Refuse a network that would predict by random or broken weights.

    Raises:
        CheckpointError: It has no backbone or no main head, or weights that
            are not finite.
    """
    for part in ('backbone', 'decode_head'):
        if not any(name.startswith(f'{part}.') for name in state_dict):
            raise CheckpointError(
                f'{path} has no {part}, without which mmseg would predict by '
                'random weights; pass a checkpoint of a finished training'
            )
    check_finite(state_dict, path)


def check_fits(checkpoint: dict, cfg: Config, path: str) -> None:
    """Refuse a checkpoint that does not cover the plain model.

    Raises:
        CheckpointError: It is of another network than the config.
    """
    register_all_modules(init_default_scope=False)
    with config_errors(cfg), DefaultScope.overwrite_default_scope('mmuda'):
        model = MODELS.build(cfg.model)
    check_cover(model, checkpoint['state_dict'], '', path)


def convert_config(path: str, out_path: str) -> Config:
    """Read a method's config and return the plain one."""
    if not out_path.endswith('.py'):
        raise ConfigError(f'--out-config {out_path} must end with .py.')
    return plain_config(load_config(path))


def _needs(plain: Config) -> str:
    own = needed_types(plain)
    if own:
        parts = own_parts(plain)
        others = sorted({*own} - {*parts.values()})
        named = [f'{kind} ({key})' for key, kind in parts.items()] + others
        return f'needs mmuda for {", ".join(named)}'
    dataset = (plain.get('test_dataloader') or {}).get('dataset') or {}
    if dataset.get('data_root') != OWN_TEST_DATA:
        return 'needs mmseg alone'
    return (
        'needs mmseg alone; for its tools/test.py put images (.jpg) and '
        'labels of train ids (.png) into images/ and labels/ of '
        f'{OWN_TEST_DATA}, as its data set reads no layouts of mmuda'
    )


def main(args: argparse.Namespace) -> None:
    """Run the tool."""
    outputs = {'--out-config': args.out_config, 'output': args.output}
    inputs = [args.checkpoint, *filter(None, [args.config])]
    require_outputs(outputs, inputs)
    checkpoint = convert_checkpoint(args.checkpoint, args.teacher)
    if args.config:
        cfg = convert_config(args.config, args.out_config)
        weights = weights_of_plain(checkpoint['state_dict'], cfg)
        checkpoint['state_dict'] = weights
        check_fits(checkpoint, cfg, args.checkpoint)
        atomic_write(args.out_config, config_text(cfg))
        print(f'Wrote {args.out_config}, which {_needs(cfg)}')
    write_checkpoint(checkpoint, args.output)
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
