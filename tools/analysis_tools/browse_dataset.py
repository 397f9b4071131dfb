# Copyright (c) mmuda authors.
"""Show what a training really sees, before it is started.

Batches of the config's own loader go through the method's own code: source
images and labels, target images, mixed and masked ones, pseudo-labels beside
the teacher's confidence, and the classes that were drawn. Written are a PNG
for each domain and one page. Nothing is trained.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device

from mmuda.datasets.sets.data_roots import require_data_roots
from mmuda.models.trained import load_trained
from mmuda.models.uda import BaseUDA
from mmuda.registry import MODELS
from mmuda.reports.sample_pages import (
    reduced_sample,
    require_own_folder,
    write_samples,
)
from mmuda.reports.training_samples import training_loader, training_samples
from mmuda.utils.checks import SEED, WHOLE, is_whole, whole_number
from mmuda.utils.cli import (
    add_config_argument,
    add_config_options,
    add_data_roots,
    add_traceback_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.compat import load_checkpoint_meta
from mmuda.utils.config import load_config
from mmuda.utils.config_data import (
    override_data_roots,
    remove_unset_loaders,
    set_pseudo_label_root,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import lay_out, precision_of_config
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.text import shorten

# All of them are kept, and are on one page.
_MOST = 32


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_config_argument(parser)
    add(
        '--count',
        type=checked(whole_number(1, _MOST)),
        default=4,
        metavar='N',
        help=f'iterations to show, at most {_MOST} (4)',
    )
    add(
        '--start',
        type=checked(WHOLE),
        metavar='N',
        help='iterations before the first one; by default those of the '
        'checkpoint, else those of a warm-up on the source alone',
    )
    add(
        '--domains',
        nargs='+',
        default=[],
        metavar='NAME',
        help='those to show, such as source target; by default all',
    )
    _add_outputs(parser)
    _add_sources(parser)
    add_data_roots(parser)
    add_config_options(parser)
    add_traceback_option(parser)
    return parser.parse_args()


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        '--out',
        type=path_argument,
        metavar='DIR',
        help='where to write (work_dirs/browse/<config>)',
    )
    add(
        '--overwrite',
        action='store_true',
        help='replace pictures and a page in this folder that are of '
        'something else',
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        '--checkpoint',
        metavar='FILE',
        help='weights of the network and its teacher; by default load_from '
        'of the config, else random ones',
    )
    add(
        '--pseudo-labels',
        metavar='DIR',
        help='pseudo-labels of the target, from generate_pseudo_labels.py',
    )
    add(
        '--seed',
        type=checked(SEED),
        help='of the training; by default that of the config',
    )


def weights_of(cfg: Config, checkpoint: str | None) -> str | None:
    """The checkpoint to show, which need not be named."""
    if checkpoint is None and Path(str(cfg.get('load_from'))).is_file():
        return str(cfg.load_from)
    return checkpoint


def notes_on(weights: str | None, runs_method: bool) -> list[str]:
    """What a reader has to know of the pictures."""
    notes = ['Nothing was trained for this page.']
    if not runs_method:
        notes.append(
            'The training learns from pseudo-labels that nobody has named '
            '(--pseudo-labels DIR): only what the loader gives is shown.'
        )
    elif weights is None:
        notes.append(
            'The network has random weights (--checkpoint FILE gives others): '
            'what a teacher says, its confidence, and labels that are mixed '
            'with its own mean nothing yet.'
        )
    return notes


def build_model(cfg: Config, weights: str | None) -> BaseUDA:
    """The method, with the weights that are to be shown."""
    model = MODELS.build(cfg.model)
    if not isinstance(model, BaseUDA):
        raise ConfigError(
            f'model.type={type(model).__name__} is none of the methods of '
            'mmuda, whose training is shown here'
        )
    if weights is not None:
        load_trained(model, weights)
    lay_out(model, precision_of_config(cfg))
    return model.to(get_device())


def first_iteration(
    args: argparse.Namespace, model: BaseUDA, weights: str | None
) -> int:
    """Iterations before the first one that is shown."""
    if args.start is not None:
        return args.start
    done = 0
    if args.checkpoint and weights:
        done = load_checkpoint_meta(weights).get('iter', 0)
    if not is_whole(done) or done < 0:
        raise CheckpointError(
            f'{weights}: meta.iter is {shorten(repr(done))} and no number of '
            'iterations; name them by --start'
        )
    return max(done, model.warmup_iters)


def main(args: argparse.Namespace) -> None:
    """Draw, write and tell where."""
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    if args.pseudo_labels:
        set_pseudo_label_root(cfg, args.pseudo_labels)
    register_all_modules()
    out = args.out or Path('work_dirs', 'browse', Path(args.config).stem)
    with only_writer(out=out):
        for path in browse(cfg, args, out):
            print(path)


def browse(cfg: Config, args: argparse.Namespace, out: Path) -> list[Path]:
    """Draw samples and write them; return the files."""
    runs_method = not remove_unset_loaders(cfg.get('train_dataloader'))
    seed = args.seed
    if seed is None:
        seed = (cfg.get('randomness') or {}).get('seed') or 0
    weights = weights_of(cfg, args.checkpoint)
    with config_errors(cfg):
        require_data_roots(cfg, validates=False)
        loader = training_loader(cfg, seed)
        known = [*loader.dataset.domains]
        require_domains(args.domains, known)
        require_own_folder(out, args.domains or known, args.overwrite)
        model = build_model(cfg, weights)
        meta = loader.dataset.metainfo
        model.dataset_meta = meta
        start = first_iteration(args, model, weights)
        drawn = training_samples(
            loader, model, args.count, start, seed, runs_method
        )
        samples = [reduced_sample(sample) for sample in drawn]
    facts = [
        ('config', str(args.config)),
        ('method', type(model).__name__),
        ('weights', weights or 'random'),
        ('images of a batch', str(loader.batch_size)),
        ('seed', str(seed)),
    ]
    notes = notes_on(weights, runs_method)
    return write_samples(samples, meta, out, facts, notes, args.domains)


def require_domains(named: list[str], known: list[str]) -> None:
    """Refuse names that are no domains."""
    for name in named:
        if name not in known:
            raise ConfigError(
                f'--domains {name}: the config has {", ".join(known)}'
            )


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
