# Copyright (c) mmuda authors.
"""The data sets that a config names."""

import copy
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmuda.utils.config_keys import did_you_mean, type_name
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import LABELLED_TARGET, SOURCE, TARGET, UNSEEN

PSEUDO_LABEL_LOADERS = ('LoadPseudoLabels', 'LoadSoftPseudoLabels')
LABEL_LOADERS = ('LoadLabels', 'LoadAnnotations')


def override_data_roots(
    cfg: Config, data_roots: Mapping[str, str | os.PathLike]
) -> None:
    """Set the folders of the domains, in place.

    A validation or test set follows the target that it is named after (in a
    list, by the prefix of its evaluator), or the domain whose folder it had;
    if it had another one, the only target. It is a ``target`` of its own, or
    the one that it is named after, where the training has none. A target that
    is not trained on follows the source if it lies in the same folder and is
    not named here: so it is of upper bounds. A labelled target that is not
    named follows the target whose folder it lies in. What follows a domain of
    several data sets goes with the one in whose folder it lies.

    Args:
        cfg: A training config.
        data_roots: Folder by domain: ``source``, ``target``, or the names
            in ``train_dataloader.dataset.targets``, or ``labelled_target``;
            of a domain of several data sets, ``source.0``, ``source.1`` and
            so on.

    Raises:
        ConfigError: If the config has no such domain, or the domain is made
            of data sets from several folders.
    """
    domains = _training_domains(cfg)
    parts = {name: tuple(leaves) for name, leaves in domains.items()}
    given = {name.partition('.')[0] for name in data_roots}
    unseen = {*(cfg.get(UNSEEN) or {})} - given
    _let_follow_source(domains, unseen)
    if LABELLED_TARGET in domains and LABELLED_TARGET not in given:
        _let_follow_targets(domains, domains.pop(LABELLED_TARGET))
    _add_evaluation_sets(cfg, domains, unseen | {LABELLED_TARGET})
    before = {
        id(leaf): leaf.get('data_root')
        for leaves in domains.values()
        for leaf in leaves
    }
    for name, root in data_roots.items():
        domain, _, number = name.partition('.')
        if domain not in domains:
            raise ConfigError(
                f"data root '{name}': no such domain; this config has "
                f'{", ".join(domains)}'
            )
        leaves = domains[domain]
        if number:
            own = parts.get(domain, ())
            part = _numbered(name, own, number)
            others = [leaf for leaf in leaves if not _is_in(leaf, own)]
            folder = before[id(part)]
            leaves = [leaf for leaf in others if before[id(leaf)] == folder]
            leaves.append(part)
        elif (
            len({leaf.get('data_root') for leaf in parts.get(domain, ())}) > 1
        ):
            raise ConfigError(
                f"data root '{name}': made of several data sets; name the "
                f'folder of each: {name}.0=DIR {name}.1=DIR'
            )
        for leaf in leaves:
            leaf['data_root'] = str(root)


def _is_in(leaf: dict, leaves: Sequence[dict]) -> bool:
    return any(leaf is other for other in leaves)


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
        root: Folder that ``tools/generate_pseudo_labels.py`` wrote; of
            several targets a subfolder for each, by its name.

    Raises:
        ConfigError: The config loads none.
    """
    targets = _pseudo_label_loaders(cfg)
    if not targets:
        raise ConfigError(
            '--pseudo-labels: no domain of this config loads pseudo-labels; '
            'add LoadPseudoLabels to the pipeline of a target'
        )
    for name, loaders in targets.items():
        folder = os.path.join(root, name) if len(targets) > 1 else root
        for loader in loaders:
            loader['pseudo_label_root'] = str(folder)


def pseudo_labelled_targets(cfg: Config) -> list[str]:
    """Names of the targets that a training config loads pseudo-labels of."""
    return list(_pseudo_label_loaders(cfg))


def _pseudo_label_loaders(cfg: Config) -> dict[str, list[dict]]:
    return {
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


def remove_unset_loaders(node: Any) -> int:
    """Remove what loads pseudo-labels that nobody has named yet, in place.

    Args:
        node: A config or a part of one.

    Returns:
        Number of transforms removed.
    """
    if isinstance(node, dict):
        return sum(remove_unset_loaders(part) for part in node.values())
    if not isinstance(node, list):
        return 0
    unset = [
        part
        for part in node
        if isinstance(part, dict)
        and part.get('type') in PSEUDO_LABEL_LOADERS
        and part.get('pseudo_label_root') is None
    ]
    for part in unset:
        node.remove(part)
    return len(unset) + sum(remove_unset_loaders(part) for part in node)


def target_images(cfg: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Data sets of the targets of a training, by name.

    Args:
        cfg: A whole config.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if not isinstance(dataset, Mapping):
        return {}
    targets = dict(dataset.get('targets') or {})
    if dataset.get(TARGET):
        targets[TARGET] = dataset[TARGET]
    return targets


def _training_domains(cfg: Config) -> dict[str, list[dict]]:
    """Return the data set configs of each domain that is trained on."""
    if not cfg.get('train_dataloader'):
        return {}
    dataset = cfg.train_dataloader['dataset']
    targets = target_images(cfg)
    # A plain dataset is the source domain of a source-only training.
    source = dataset.get(SOURCE) or (dataset if not targets else None)
    parts = {SOURCE: source, **(targets or cfg.get(UNSEEN) or {})}
    parts[LABELLED_TARGET] = dataset.get(LABELLED_TARGET)
    return {
        name: list(dataset_leaves(part))
        for name, part in parts.items()
        if part
    }


def _let_follow_source(
    domains: Mapping[str, list[dict]], unseen: Collection[str]
) -> None:
    """Add to the source what targets have in its folders."""
    source = domains.get(SOURCE, [])
    roots = [leaf.get('data_root') for leaf in source]
    for name in unseen:
        source += [
            leaf
            for leaf in domains.get(name, ())
            if leaf.get('data_root') and leaf['data_root'] in roots
        ]


def _let_follow_targets(
    domains: Mapping[str, list[dict]], labelled: Sequence[dict]
) -> None:
    """Add labelled images to the target in whose folder they lie."""
    for name, leaves in domains.items():
        roots = [leaf.get('data_root') for leaf in leaves]
        if name != SOURCE:
            leaves += [p for p in labelled if p.get('data_root') in roots]


def _add_evaluation_sets(
    cfg: Config, domains: dict[str, list[dict]], others: Collection[str]
) -> None:
    """Add each validation and test set to the domain it belongs to.

    Args:
        cfg: With the sets.
        domains: Data sets by domain; sets are added.
        others: Domains that own no sets by the folder that they are in.
    """
    owners = {
        leaf.get('data_root'): name
        for name, leaves in domains.items()
        for leaf in leaves
        if name not in others and leaf.get('data_root')
    }
    learned = SOURCE, LABELLED_TARGET
    targets = [name for name in domains if name not in learned]
    only_target = targets[0] if len(targets) == 1 else None
    fallback = only_target if targets else TARGET
    for event in ('val', 'test'):
        for prefix, dataset in _evaluation_sets(cfg, event):
            known = prefix in domains or (prefix and not targets)
            for leaf in dataset_leaves(dataset):
                root = leaf.get('data_root')
                name = owners.get(root, fallback)
                if known and not (name == SOURCE and prefix in others):
                    name = prefix
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


def data_sets(
    cfg: Config, events: Sequence[str] = ('val', 'test')
) -> dict[str, DatasetConfig]:
    """Name all data sets of a config.

    Args:
        cfg: A whole config.
        events: Evaluations whose data sets count.

    Returns:
        The domains of ``train_dataloader``, ``val`` and ``test``; several
        validation or test sets are ``val.<prefix>`` and so on, after the
        prefix of their evaluators.
    """
    loader = cfg.get('train_dataloader') or {}
    training = loader.get('dataset') or {}
    found = {name: training.get(name) for name in (SOURCE, TARGET)}
    found |= training.get('targets') or {}
    found[LABELLED_TARGET] = training.get(LABELLED_TARGET)
    for event in events:
        found |= evaluation_data(cfg, event)
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


def evaluation_data(
    cfg: Config, event: str
) -> dict[str, DatasetConfig | None]:
    """Data sets of :func:`data_sets` that are evaluated.

    Args:
        cfg: A whole config.
        event: ``val`` or ``test``.

    Returns:
        A single one may be None.
    """
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


def without_label_loaders(
    steps: Sequence, others: Collection[str] = ()
) -> list:
    """Take what loads labels out of a pipeline and of transforms inside it.

    Args:
        steps: Of a pipeline.
        others: Types of further steps to leave out.

    Returns:
        Copies of the rest.
    """
    kept = []
    for step in steps:
        if isinstance(step, list | tuple):
            inner = without_label_loaders(step, others)
            # An empty branch would leave no augmentation at all.
            kept += [inner] if inner else []
        elif type_name(step) not in (*LABEL_LOADERS, *others):
            step = copy.deepcopy(step)
            if 'transforms' in step:
                inner = without_label_loaders(step['transforms'], others)
                step = dict(step, transforms=inner)
            kept.append(step)
    return kept
