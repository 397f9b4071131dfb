# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Reading training configs and adapting them to the command line."""

import ast
import inspect
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmuda.utils.config_completion import complete
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_values import (
    check_config,
    require_written,
    settle_whole_numbers,
)
from mmuda.utils.errors import ConfigError, describe_error
from mmuda.utils.files import install_safe_file_reading
from mmuda.utils.names import SOURCE, TARGET

_NUMBERS = {'inf', 'nan'}
_RUNNER_KEYS = {*inspect.signature(Runner.__init__).parameters} - {'self'}
# Read by tools, besides the parameters of a runner.
_TOOL_KEYS = {'runner_type', 'tta_model', 'tta_pipeline'}
# What merging an option raises that does not fit.
_MISFITS = (
    *(AssertionError, AttributeError, IndexError),
    *(KeyError, TypeError, ValueError),
)
PSEUDO_LABEL_LOADERS = ('LoadPseudoLabels', 'LoadSoftPseudoLabels')


def load_config(
    path: str | os.PathLike,
    options: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Config:
    """Read a config file, merge options from the command line and check it.

    A config is a Python file that is run. Others that it names as ``_base_``
    may be YAML or JSON; they are read as data.

    Args:
        path: The config file.
        options: Values by dotted key, such as ``{'train_cfg.max_iters': 8}``.
        check: Whether to check keys and values, see
            :func:`mmuda.utils.config_values.check_config`.

    Raises:
        ConfigError: If the file can't be read or is no ``.py``, an option
            can't be merged or names no part of the config, or a key or value
            is wrong.
    """
    if not Path(path).is_file():
        raise ConfigError(f'{path}: no such config file')
    if Path(path).suffix != '.py':
        raise ConfigError(
            f'{path}: a config names what is built and run, and is a Python '
            'file (.py); write it as one'
        )
    install_safe_file_reading()
    try:
        cfg = Config.fromfile(path)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigError(_fault_in_file(error, path)) from error
    known = sorted({*cfg} | _RUNNER_KEYS | _TOOL_KEYS)
    for option in options or {}:
        part = option.split('.')[0]
        if part not in known:
            raise ConfigError(
                f"{option}: the config has no '{part}'"
                f'{did_you_mean(part, known)}'
            )
    try:
        cfg.merge_from_dict(dict(options or {}))
        complete(cfg)
    except _MISFITS as error:
        raise ConfigError(
            f'{path}: an option does not fit: {describe_error(error)}'
        ) from error
    return _checked(cfg) if check else cfg


def _checked(cfg: Config) -> Config:
    try:
        require_written(cfg)
        settle_whole_numbers(cfg)
        check_config(cfg)
    except ImportError as error:
        # MMEngine imports what a config does when it is looked at.
        raise ConfigError(
            f'{describe_error(error)}; install it, or correct the import'
        ) from error
    return cfg


def _fault_in_file(error: BaseException, path: str | os.PathLike) -> str:
    """Name the file, of the config or below it, and the line of an error."""
    file, line = str(path), None
    for frame, number in traceback.walk_tb(error.__traceback__):
        reader = frame.f_globals.get('__name__', '').startswith('mmengine.')
        # Which has a temporary copy.
        reader = reader and frame.f_code.co_name != '_get_base_files'
        name = frame.f_locals.get('filename') if reader else None
        if isinstance(name, str | os.PathLike):
            file = str(name)
        if frame.f_code.co_filename in (file, ''):  # code of a config
            line = number
    text = describe_error(error)
    if isinstance(error, AttributeError) and Path(file).suffix != '.py':
        text = 'it holds no values by name'
    if isinstance(error, SyntaxError):
        line, text = error.lineno, f'{type(error).__name__}: {error.msg}'
    return f'{file}:{line}: {text}' if line else f'{file}: {text}'


def config_text(cfg: Config) -> str:
    """A config as a Python file that can be read again.

    MMEngine writes infinity and NaN as names that nobody defines.
    """
    text = cfg.pretty_text
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        # It holds objects that can't be written down.
        return text
    read = {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    lines = [f"{name} = float('{name}')\n" for name in sorted(read & _NUMBERS)]
    return ''.join(lines) + text


def default_work_dir(config_path: str | os.PathLike) -> str:
    """Name the output folder after method and config.

    mmengine's habit, the name of the file alone, would let
    ``configs/advent/gta2cs.py`` continue the run of ``configs/esl/gta2cs.py``.

    Returns:
        ``work_dirs/<folder of the config>/<name of the config>``.
    """
    path = Path(config_path).absolute()
    return os.path.join('work_dirs', path.parent.name, path.stem)


def override_data_roots(
    cfg: Config, data_roots: Mapping[str, str | os.PathLike]
) -> None:
    """Set the folders of the domains, in place.

    A validation or test set follows the target that it is named after (in a
    list, by the prefix of its evaluator), or the domain whose folder it had;
    if it had another one, the only target. It is a ``target`` of its own, or
    the one that it is named after, where the training has none.

    Args:
        cfg: A training config.
        data_roots: Folder by domain: ``source``, ``target``, or the names
            in ``train_dataloader.dataset.targets``; of a domain of several
            data sets, ``source.0``, ``source.1`` and so on.

    Raises:
        ConfigError: If the config has no such domain, or the domain is made
            of data sets from several folders.
    """
    domains = _training_domains(cfg)
    parts = {name: tuple(leaves) for name, leaves in domains.items()}
    _add_evaluation_sets(cfg, domains)
    for name, root in data_roots.items():
        domain, _, number = name.partition('.')
        if domain not in domains:
            raise ConfigError(
                f"data root '{name}': no such domain; this config has "
                f'{", ".join(domains)}'
            )
        leaves = domains[domain]
        if number:
            leaves = [_numbered(name, parts.get(domain, ()), number)]
        elif (
            len({leaf.get('data_root') for leaf in parts.get(domain, ())}) > 1
        ):
            raise ConfigError(
                f"data root '{name}': made of several data sets; name the "
                f'folder of each: {name}.0=DIR {name}.1=DIR'
            )
        for leaf in leaves:
            leaf['data_root'] = str(root)


def _numbered(name: str, leaves: Sequence[dict], number: str) -> dict:
    """One of the data sets of a domain."""
    if not number.isdecimal() or int(number) >= len(leaves):
        raise ConfigError(
            f"data root '{name}': the domain has {len(leaves)} data set(s), "
            'counted from 0'
        )
    return leaves[int(number)]


def set_pseudo_label_root(cfg: Config, root: str | os.PathLike) -> None:
    """Make the target's pipeline read pseudo-labels from a folder, in place.

    Args:
        cfg: A training config.
        root: Folder that ``tools/generate_pseudo_labels.py`` wrote.

    Raises:
        ConfigError: The config loads none, or for several targets.
    """
    targets = {
        name: loaders
        for name, leaves in _training_domains(cfg).items()
        if (
            loaders := [
                transform
                for leaf in leaves
                for transform in leaf.get('pipeline', [])
                if transform['type'] in PSEUDO_LABEL_LOADERS
            ]
        )
    }
    if len(targets) != 1:
        found = ', '.join(targets) or 'no domain'
        raise ConfigError(
            f'--pseudo-labels: {found} of this config loads pseudo-labels; '
            'it must be one target (set pseudo_label_root of each in the '
            'config)'
        )
    for loader in next(iter(targets.values())):
        loader['pseudo_label_root'] = str(root)


def enable_amp(cfg: Config) -> None:
    """Switch every optimizer of a config to mixed precision, in place.

    Raises:
        ConfigError: If an optimizer wrapper is of a type without it.
    """
    wrappers = cfg.optim_wrapper
    named = {
        f'optim_wrapper.{name}': value
        for name, value in wrappers.items()
        if isinstance(value, dict) and 'optimizer' in value
    } or {'optim_wrapper': wrappers}
    for path, wrapper in named.items():
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise ConfigError(
                f"{path}.type: mixed precision replaces 'OptimWrapper', "
                f"not '{kind}'"
            )
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def _training_domains(cfg: Config) -> dict[str, list[dict]]:
    """Return the data set configs of each domain that is trained on."""
    if not cfg.get('train_dataloader'):
        return {}
    dataset = cfg.train_dataloader['dataset']
    targets = dict(dataset.get('targets') or {})
    if dataset.get(TARGET):
        targets[TARGET] = dataset[TARGET]
    # A plain dataset is the source domain of a source-only training.
    source = dataset.get(SOURCE) or (dataset if not targets else None)
    parts = {SOURCE: source, **targets}
    return {
        name: list(dataset_leaves(part))
        for name, part in parts.items()
        if part
    }


def _add_evaluation_sets(cfg: Config, domains: dict[str, list[dict]]) -> None:
    """Add each validation and test set to the domain it belongs to."""
    owners = {
        leaf.get('data_root'): name
        for name, leaves in domains.items()
        for leaf in leaves
    }
    targets = [name for name in domains if name != SOURCE]
    only_target = targets[0] if len(targets) == 1 else None
    fallback = only_target if targets else TARGET
    for event in ('val', 'test'):
        for prefix, dataset in _evaluation_sets(cfg, event):
            known = prefix in domains or (prefix and not targets)
            for leaf in dataset_leaves(dataset):
                root = leaf.get('data_root')
                name = prefix if known else owners.get(root, fallback)
                if name:
                    domains.setdefault(name, []).append(leaf)


def _evaluation_sets(cfg: Config, event: str) -> Iterator[tuple[str, dict]]:
    """Yield data sets with the name of their target; '' for a single one."""
    loaders = cfg.get(f'{event}_dataloader') or []
    if isinstance(loaders, dict):
        yield '', loaders['dataset']
        return
    for position, loader in enumerate(loaders):
        evaluators = cfg.get(f'{event}_evaluator') or []
        metrics = evaluators[position : position + 1]
        while metrics and isinstance(metrics, (list, tuple)):
            metrics = metrics[0]
        yield dict(metrics or {}).get('prefix') or '', loader['dataset']


def dataset_leaves(dataset: Mapping | list) -> Iterator[dict]:
    """Yield the data sets inside listed, concatenated or repeated ones.

    Args:
        dataset: Config of a domain.
    """
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from dataset_leaves(part)
    elif 'dataset' in dataset or 'datasets' in dataset:
        yield from dataset_leaves(
            dataset.get('dataset') or dataset['datasets']
        )
    else:
        assert isinstance(dataset, dict), 'as configs have them'
        yield dataset


DatasetConfig = Mapping[str, Any] | list


def data_sets(cfg: Config) -> dict[str, DatasetConfig]:
    """Name all data sets of a config.

    Args:
        cfg: A whole config.

    Returns:
        The domains of ``train_dataloader``, ``val`` and ``test``; several
        validation or test sets are ``val.<prefix>`` and so on, after the
        prefix of their evaluators.
    """
    loader = cfg.get('train_dataloader') or {}
    training = loader.get('dataset') or {}
    found = {name: training.get(name) for name in (SOURCE, TARGET)}
    found |= training.get('targets') or {}
    for event in ('val', 'test'):
        found |= _evaluated(cfg, event)
    return {name: config for name, config in found.items() if config}


def data_set(cfg: Config, name: str, option: str) -> DatasetConfig:
    """Return a data set of :func:`data_sets`.

    Args:
        cfg: A whole config.
        name: Of the data set.
        option: Of the command line, that gave the name.

    Raises:
        ConfigError: The config has no such data set.
    """
    found = data_sets(cfg)
    if name not in found:
        raise ConfigError(
            f"{option} '{name}': the config has "
            f'{", ".join(found) or "no data sets"}{did_you_mean(name, found)}'
        )
    return found[name]


def _evaluated(cfg: Config, event: str) -> dict[str, DatasetConfig | None]:
    loaders = cfg.get(f'{event}_dataloader') or {}
    if not isinstance(loaders, (list, tuple)):
        return {event: loaders.get('dataset')}
    found = {}
    for position, loader in enumerate(loaders):
        metric = (cfg.get(f'{event}_evaluator') or [])[position : position + 1]
        while metric and isinstance(metric, (list, tuple)):
            metric = metric[0]
        prefix = dict(metric or {}).get('prefix') or position
        found[f'{event}.{prefix}'] = loader['dataset']
    return found
